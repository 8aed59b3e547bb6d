"""Faults in what the linear algebra proves: certificates, brackets, the density, runs on disk."""

from __future__ import annotations

from bench.faults.fault import Fault

__all__ = ["FAULTS"]


def _in(file: str, tests: str, *changes: tuple[str, str]) -> list[Fault]:
    """Return faults of one file that the same tests should notice."""
    return [Fault(f"fastgram/{file}.py", text, fault, f"tests/{tests}") for text, fault in changes]


FAULTS = [
    *_in(
        "_certificate",
        "test_error_terms_certificate.py",
        ("relative = gamma(n + 2)", "relative = gamma(1)"),
        ("relative = gamma(n + 2)", "relative = 0.1 * gamma(n + 2)"),
        ("float(np.sum(sizes))", "float(np.max(sizes))"),
        ("_EPS * float(np.max(sizes)) + n * n * _TINY", "n * n * _TINY"),
        (
            "_EPS * float(np.max(sizes)) + n * n * _TINY",
            "0.1 * _EPS * float(np.max(sizes)) + n * n * _TINY",
        ),
        ("+ n * n * _TINY", "+ 0.0"),
        ("done = done and math.isfinite(slack)", "done = bool(done)"),
        ("math.nextafter(shift - slack, -math.inf)", "shift - slack"),
        ("math.nextafter(shift - slack, -math.inf)", "math.nextafter(shift - slack, math.inf)"),
        ("math.nextafter(shift - slack, -math.inf)", "shift"),
        (
            "times = 1.0 if rows == columns else 2.0",
            "times = 1.0",
        ),
        ("sizes.append(times * float", "sizes.append(1.0 * float"),
        ("squares.append(times * float", "squares.append(1.0 * float"),
        ("math.sqrt(math.fsum(squares)) + gamma", "math.fsum(squares) + gamma"),
        ("math.sqrt(math.fsum(squares)) + gamma", "0.1 * math.sqrt(math.fsum(squares)) + gamma"),
        ("+ gamma(n + 3) * rounding", "+ gamma(3) * rounding"),
        ("+ gamma(n + 3) * rounding", "+ 0.1 * gamma(n + 3) * rounding"),
        ("rounding = math.sqrt(math.fsum(sizes)) + abs", "rounding = abs"),
        (" + abs(shift) * math.sqrt(n) + ", " + "),
        (" + factor.sum_of_squares()", ""),
        ("    factor.clear_above()\n", ""),
    ),
    *_in(
        "_cholesky",
        "test_error_terms_certificate.py",
        ("if failed or not np.all((pivots > 0.0) & np.isfinite(pivots)):", "if failed:"),
    ),
    *_in(
        "_rounding",
        "test_error_terms_certificate.py",
        ("rounding = count * _EPS / 2.0", "rounding = _EPS / 2.0"),
        ("rounding = count * _EPS / 2.0", "rounding = count * _EPS / 20.0"),
        ("return rounding / (1.0 - rounding)", "return rounding"),
        ("error = 2.0 * gamma(2 * n + 8) * size", "error = 2.0 * gamma(2 + 8) * size"),
        ("error = 2.0 * gamma(2 * n + 8) * size", "error = 0.2 * gamma(2 * n + 8) * size"),
        ("error = 2.0 * gamma(2 * n + 8) * size", "error = gamma(2 * n + 8) * size"),
        ("(np.abs(A) @ np.abs(vector))) / length", "(A @ vector)) / length"),
        ("return value - error, value + error", "return value, value + error"),
        ("return value - error, value + error", "return value - error, value"),
    ),
]
