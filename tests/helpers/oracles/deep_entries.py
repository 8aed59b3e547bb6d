"""Entries of deep networks from closed duals, in mpmath: no code of fastgram's."""

from mpmath import mp, mpf

__all__ = ["entry", "quadratic", "wave"]

mp.dps = 40


def wave(c, a):
    """Return the duals of sin(cz) + a|z|, whose odd and even parts do not meet in them."""
    c, a = mpf(c), mpf(a)

    def dual(derivative, rho, q1, q2):
        product, damping = mp.sqrt(q1 * q2), mp.exp(-c * c * (q1 + q2) / 2)
        slope = 2 / mp.pi * mp.asin(rho)
        if derivative:
            return c * c * damping * mp.cosh(c * c * product * rho) + a * a * slope
        root = mp.sqrt(max(1 - rho * rho, mpf(0)))
        folded = 2 / mp.pi * root + rho * slope
        return damping * mp.sinh(c * c * product * rho) + a * a * product * folded

    return dual


def quadratic(derivative, rho, q1, q2):
    """The duals of z + z²."""
    product = mp.sqrt(q1 * q2)
    if derivative:
        return 1 + 4 * product * rho
    return product * rho + q1 * q2 * (1 + 2 * rho * rho)


def entry(dual, network, kind, theta, norms):
    """Return the entry of augmented rows of two norms, θ apart, by the recursion over layers."""
    weight, bias = mpf(network.weight_variance), mpf(network.bias_variance)
    one = mpf(1)
    factor = 1 / dual(False, one, one, one) if network.normalize else one
    q1, q2 = (mpf(norm) ** 2 for norm in norms)
    sigma = tangent = mp.sqrt(q1 * q2) * mp.cos(theta)
    for layer in range(network.depth):
        rho = min(max(sigma / mp.sqrt(q1 * q2), -one), one)
        value, slope = (factor * dual(derivative, rho, q1, q2) for derivative in (False, True))
        if layer == network.depth - 1:
            break
        sigma = weight * value + bias
        tangent = sigma + weight * slope * tangent if kind == "ntk" else sigma
        q1, q2 = (weight * factor * dual(False, one, q, q) + bias for q in (q1, q2))
    return {"nngp": value, "gradient": tangent * slope, "ntk": value + tangent * slope}[kind]
