"""
A large matrix: plan, checkpoint, bracket
=========================================

What a long run would take is known before it, and what it has done outlives it.
"""

import tempfile

import matplotlib.pyplot as plt

import fastgram as fg

print(fg.plan(100_000, 50, "elu"))

# %%
# The same steps, on a smaller matrix: products with it, nothing stored, every pass kept in a
# folder. A first call stops early: what it has reached is a bracket already.

rows = fg.datasets.sphere(2500, 20, seed=0)
op = fg.GramOperator(rows, "elu")
folder = tempfile.mkdtemp()
print(fg.extreme_eigenvalues(op, rtol=0.05, method="lanczos", max_passes=12, checkpoint=folder))

# %%
# The same call without the limit goes on from there, as it does after a kill or a full disk.

widths = []


def watch(smallest, largest):
    """Keep how wide the bracket is; True would end the run."""
    widths.append(smallest.width / smallest.estimate)


answer = fg.extreme_eigenvalues(op, rtol=0.05, method="lanczos", checkpoint=folder, callback=watch)
print(answer)

figure, axes = plt.subplots()
axes.semilogy(widths)
axes.set(xlabel="looks at the run", ylabel="width of λ_min's bracket, relative")
