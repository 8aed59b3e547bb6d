"""Gram entries of pairs of rows, however close, from closed forms of the exact angle, in mpmath.

The rows are taken for their exact float64 values, so that an angle of 1e-8 is known to 25 digits
where the naive `fastgram.kernels.reference` knows 8. Shares no code with fastgram.
"""

from helpers.oracles.make_dual_values import all_cases  # sets 45 digits
from mpmath import mp, mpf

__all__ = ["FORMS", "drop", "entry", "inner", "pair_entry"]

# Activation, with default parameters, to closed(rho, q1, q2, derivative) = E[f(u)f(v)].
FORMS = {case.name: case.closed for case in all_cases() if case.closed and not case.parameters}
FORMS["polynomial"] = next(
    case.closed for case in all_cases() if case.parameters.get("coefficients") == [0.0, 1.0, 1.0]
)


def entry(activation, kind, rho, q1, q2):
    """The entry at an exact cosine and exact squared norms."""
    value = FORMS[activation](rho, q1, q2, kind == "gradient")
    return value * rho * mp.sqrt(q1 * q2) if kind == "gradient" else value


def drop(activation, kind, theta, q):
    """K(1) − K(cos θ) and K(−1) − K(−cos θ) between rows of one squared norm: two numbers."""
    rho, q = mp.cos(mpf(theta)), mpf(q)
    one, near, minus, far = (entry(activation, kind, r, q, q) for r in (mpf(1), rho, -mpf(1), -rho))
    return one - near, minus - far


def inner(x, y):
    """The exact inner product of two rows of floats."""
    return mp.fsum(mpf(float(a)) * mpf(float(b)) for a, b in zip(x, y, strict=True))


def pair_entry(activation, kind, x, y, weight=1.0, bias=0.0):
    """The entry between two rows, with the network's weight and bias variances."""
    c, q1, q2 = (mpf(weight) * inner(*pair) + mpf(bias) for pair in ((x, y), (x, x), (y, y)))
    norms = mp.sqrt(q1 * q2)
    rho = c / norms if norms else mpf(0)
    return entry(activation, kind, max(min(rho, mpf(1)), -mpf(1)), q1, q2)
