"""What is done to rows before there are entries: loops that know no network."""
