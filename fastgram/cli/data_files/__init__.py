"""Rows from files: .npy, .npz and text as people have it. Start with `reading`."""
