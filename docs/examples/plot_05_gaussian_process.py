"""
A Gaussian process in scikit-learn
==================================

``NetworkKernel`` is a kernel of scikit-learn's Gaussian processes: the one of a network of infinite
width, whose variances the fit finds.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import WhiteKernel

import fastgram as fg
from fastgram.sklearn import NetworkKernel

points = fg.datasets.circle(90)
angles = np.unwrap(np.arctan2(points[:, 1], points[:, 0]))
order = np.argsort(angles)
points, angles = points[order], angles[order]
heights = np.sin(2 * angles) + 0.2 * np.random.default_rng(0).standard_normal(len(angles))
seen = np.arange(len(angles)) % 3 == 0

kernel = NetworkKernel("relu", depth=2, weight_variance=2.0) + WhiteKernel(0.1)
process = GaussianProcessRegressor(kernel).fit(points[seen], heights[seen])
print(process.kernel_)

mean, deviation = process.predict(points, return_std=True)
figure, axes = plt.subplots()
axes.fill_between(angles, mean - 2 * deviation, mean + 2 * deviation, alpha=0.3)
axes.plot(angles, mean, label="mean, and twice the deviation")
axes.plot(angles[seen], heights[seen], "o", label="seen")
axes.plot(angles[~seen], heights[~seen], ".", color="gray", label="not seen")
axes.set(xlabel="angle")
axes.legend()
