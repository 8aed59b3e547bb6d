"""Parts of tiles whose rows, and whose columns, have norms in a narrow range."""
