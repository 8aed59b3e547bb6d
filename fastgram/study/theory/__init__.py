"""What parts of the study expect, computed by ways that no bracket goes.

`on_circle`: eigenvalues of equally spaced rows under smooth activations, however small.
`on_sphere`: laws of the eigenvalues of random rows. Each module begins with its derivation.
"""
