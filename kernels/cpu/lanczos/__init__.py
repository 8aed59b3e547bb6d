"""What a Lanczos run does to the small matrices that it leaves: loops that know no run."""
