"""
Kernel ridge regression with bounds
===================================

With a ridge the matrix is positive definite, and how far the solution may be from the true one is
proven.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastgram as fg

images, digit = fg.datasets.digits(return_X_y=True)
rows = images / np.linalg.norm(images, axis=1, keepdims=True)
labels = (digit[:, None] == np.arange(10)) - 0.1  # ten outputs, one a digit
train, test = slice(0, 600), slice(600, 1200)

op = fg.GramOperator(rows[train], fg.Network("relu", depth=3), kind="ntk", ridge=1e-2)
answer = fg.solve(op, labels[train])
print(answer)

# %%
# The entries between new rows and those that were seen are an operator too. Nothing of either
# matrix has to be stored.

between = fg.GramOperator(rows[test], op.network, Y=rows[train], kind="ntk")
found = np.argmax(between @ answer.x, axis=1)
print(f"{np.mean(found == digit[test]):.1%} of {len(found)} other digits are right")

confusion = np.zeros((10, 10), dtype=int)
np.add.at(confusion, (digit[test], found), 1)
figure, axes = plt.subplots()
axes.imshow(np.log1p(confusion), cmap="Blues")
for (true, said), count in np.ndenumerate(confusion):
    axes.text(said, true, count or "", ha="center", va="center")
axes.set(xlabel="found", ylabel="digit", xticks=range(10), yticks=range(10))
