"""
Below the noise floor
=====================

On a circle the eigenvalues under a smooth activation fall off exponentially: soon float64 cannot
see the smallest one. Ball arithmetic can, and proves every digit that it prints.
"""

import matplotlib.pyplot as plt

import fastgram as fg

orders = [9, 13, 17, 21, 25, 29, 33, 37, 41, 45, 49]
seen, exact = [], []
for n in orders:
    rows = fg.datasets.circle(n)
    seen.append(fg.extreme_eigenvalues(fg.GramOperator(rows, "tanh")))
    exact.append(fg.exact_extreme_eigenvalues(rows, "tanh"))
print(seen[-1])
print(exact[-1])

figure, axes = plt.subplots()
axes.semilogy(orders, [answer.smallest.estimate for answer in exact], "o", label="exact")
lower = [max(answer.smallest.lower, 1e-19) for answer in seen]
upper = [answer.smallest.upper for answer in seen]
axes.vlines(orders, lower, upper, color="C1", linewidth=8, alpha=0.4, label="brackets in float64")
axes.semilogy(orders, upper, "_", color="C1", markersize=12)
axes.semilogy(orders, [answer.noise_floor for answer in seen], ":", color="gray", label="floor")
axes.set(xlabel="rows on the circle", ylabel="λ_min", ylim=(1e-19, None))
axes.legend()
