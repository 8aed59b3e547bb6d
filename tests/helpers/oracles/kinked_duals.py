"""Duals of lines with kinks and of steps in one dimension, in mpmath: no code of fastgram's.

Given u, v is normal: the mean of a line above a kink is a closed form of its mean and deviation.
"""

from mpmath import mp, mpf

__all__ = ["corner", "dual_of_lines"]


def _cdf(z):
    return mp.erfc(-z / mp.sqrt(2)) / 2


def _pdf(z):
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


def dual_of_lines(parts, kinks, slopes, jumps, theta, norms):
    """Return E f(u)f(v) of f(z) = slope·z + shift + Σ slopesₖ(z − κₖ)₊ + Σ jumpsₖ[z > κₖ].

    Parameters
    ----------
    parts : (slope, shift)
        Of f left of all kinks.
    theta : float
        The angle, off 0 and π.
    norms : pair of floats
        The deviations of u and v.
    """
    slope, shift = map(mpf, parts)
    one, two = map(mpf, norms)
    cosine, sine = mp.cos(mpf(theta)), mp.sin(mpf(theta))
    kinks, slopes, jumps = ([mpf(x) for x in part] for part in (kinks, slopes, jumps))

    def f(z):
        total = slope * z + shift
        for kink, more, jump in zip(kinks, slopes, jumps, strict=True):
            if z > kink:
                total += more * (z - kink) + jump
        return total

    def mean(m, t):
        total = slope * m + shift
        for kink, more, jump in zip(kinks, slopes, jumps, strict=True):
            z = (m - kink) / t
            total += more * ((m - kink) * _cdf(z) + t * _pdf(z)) + jump * _cdf(z)
        return total

    cuts = {mpf(k) for k in range(-12, 13, 2)}
    for kink in kinks:
        cuts.add(kink / one)
        near = kink / (two * cosine) if cosine else mpf(0)
        width = sine / abs(cosine) if cosine else mpf(1)
        cuts.update(near + k * width for k in (-8, -4, -2, 0, 2, 4, 8))
    inside = sorted(cut for cut in cuts if -12 <= cut <= 12)
    return mp.quad(lambda x: _pdf(x) * f(one * x) * mean(two * cosine * x, two * sine), inside)


def corner(a, b, x):
    """Return (I, J, those of a corner at 0) of `fastgram.kernels.cpu.pairs.kinks`."""
    a, b, x = map(mpf, (a, b, x))
    inner, outer = (a - b) ** 2 / 8, (a + b) ** 2 / 8
    root = mp.sqrt(inner)
    cuts = [mpf(0), *(root * k for k in (0.1, 0.2, 0.4, 0.7, 1, 2, 5, 20, 100, 1000)), x]
    cuts = sorted({cut for cut in cuts if cut <= x})

    def density(y):
        if y == 0:
            return mpf(0) if inner else mpf(1)
        return mp.exp(-inner / y**2 - outer * y**2) / (1 + y * y)

    scale = mp.exp(-inner - outer) / mp.pi
    first = scale * mp.quad(density, cuts)
    second = scale * mp.quad(lambda y: density(y) * 2 * y * y / (1 + y * y), cuts)
    angle = mp.atan(x)
    return first, second, angle / mp.pi, (angle - x / (1 + x * x)) / mp.pi
