"""
The spectrum by activation
==========================

The smallest eigenvalue of the gradient Gram matrix sets the rate at which a wide network trains. It
is large where the activation has a kink, and small where it is smooth and the rows span few
dimensions: here three.
"""

import matplotlib.pyplot as plt

import fastgram as fg

rows = fg.datasets.sphere(300, 3, seed=0)
names = ["relu", "selu", "elu", "tanh", "swish"]
answers = {name: fg.extreme_eigenvalues(fg.GramOperator(rows, name)) for name in names}
for name, answer in answers.items():
    print(f"{name:6} λ_min {answer.smallest}")

# %%
# Every eigenvalue is a bracket: an interval that holds the true value, with what guarantees it.
# What is below the noise floor cannot be seen in float64: such a bracket begins at 0, and
# ``resolved`` is False.

figure, axes = plt.subplots()
for place, answer in enumerate(answers.values()):
    low, high = max(answer.smallest.lower, 1e-16), answer.smallest.upper
    axes.plot([place, place], [low, high], "_-", markersize=20, linewidth=4)
    axes.plot([place - 0.3, place + 0.3], [answer.noise_floor] * 2, color="gray", linestyle=":")
axes.set(yscale="log", xticks=range(len(names)), xticklabels=names, ylabel="λ_min")
axes.set_title("Brackets of λ_min; dotted: the noise floor")
