"""
How many steps training takes
=============================

In the linear regime gradient descent is decided by the Gram matrix and the labels. The loss after
any number of steps lies between two bounds, and the number of steps to a part of it is proven.
"""

import matplotlib.pyplot as plt

import fastgram as fg

rows = fg.datasets.sphere(300, 4, seed=0)
labels = rows[:, 0] * rows[:, 1]
figure, axes = plt.subplots()
for name in ("relu", "tanh"):
    op = fg.GramOperator(rows, name, kind="ntk")
    curve = fg.training_curve(op, labels, [10, 30, 100, 300, 1000, 3000, 10000])
    print(name, "to a tenth of the first loss:", curve.time_to(0.1))
    loss = curve.loss(curve.steps)
    axes.fill_between(curve.steps, loss.lower, loss.upper, alpha=0.4)
    axes.plot(curve.steps, loss.estimate, "o-", label=name)
axes.set(xscale="log", yscale="log", xlabel="steps of gradient descent", ylabel="loss")
axes.legend()

# %%
# ``curve.plot()`` draws one curve, relative to the first loss, with its bounds.

figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
curve.plot(ax=axes)
