"""Faults that mypy is to catch where fastgram is used: each line marked so, and no other."""

import fastgram as fg

X = fg.datasets.sphere(12, 3, seed=0)
op = fg.GramOperator(X)

fg.gram(X, kind="nope")  # wrong
fg.gram(X, device="gqu")  # wrong
fg.gram(X, X, kind="nngp", network=3)  # wrong
fg.gram(X, rows="unit")  # wrong
fg.GramOperator(X, kind="nope")  # wrong
fg.GramOperator(X, device="cuda")  # wrong
fg.GramOperator(X, memory="2G")  # wrong
fg.Network("tanh", readout="signs")  # wrong
fg.Network("tanh", depth="3")  # wrong
fg.extreme_eigenvalues(op, method="lancos")  # wrong
fg.extreme_eigenvalues(op, 0.1)  # wrong
fg.exact_extreme_eigenvalues(X, "tanh", kind="nope")  # wrong
fg.exact_extreme_eigenvalues(X, "tanh", rows="units")  # wrong
fg.spectral_density(op, probes="many")  # wrong
fg.datasets.digits(return_X_y=True).shape  # wrong
fg.Bracket(0.0, 1.0, 0.5, "proven")  # wrong
answer = fg.extreme_eigenvalues(op)
if answer.smallest.guarantee == "sure":  # wrong
    pass
answer.smallest.low  # wrong
answer.lower  # wrong
if answer.method == "lancos":  # wrong
    pass
words: str = op @ X  # wrong
words = op.matvec([1.0] * 12)  # wrong
op.matmat(X).upper()  # wrong
fg.spectral_density(op).median  # wrong
