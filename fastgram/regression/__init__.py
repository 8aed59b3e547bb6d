"""What Gram matrices are for: linear systems, and the course of training, with bounds.

It imports whatever eigenvalues are made of. Start with `solve`.
"""
