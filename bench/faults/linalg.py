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
    *_in(
        "_dense",
        "test_error_terms_brackets.py -k 'Entries and not operators'",
        (
            "max(sign * ends[0], sign * ends[1]) + problem.entry_error",
            "max(sign * ends[0], sign * ends[1])",
        ),
        (
            "max(sign * ends[0], sign * ends[1]) + problem.entry_error",
            "max(sign * ends[0], sign * ends[1]) + 0.1 * problem.entry_error",
        ),
        ('proven - problem.entry_error, "certified"', 'proven, "certified"'),
        (
            'proven - problem.entry_error, "certified"',
            'proven - 0.1 * problem.entry_error, "certified"',
        ),
    ),
    *_in(
        "_certified",
        "test_error_terms_brackets.py -k 'Entries and not operators'",
        ("    proven -= problem.entry_error\n", ""),
        ("    proven -= problem.entry_error\n", "    proven -= 0.1 * problem.entry_error\n"),
    ),
    *_in(
        "_arpack",
        "test_error_terms_brackets.py -k arpack",
        ("upper = value + floor", "upper = value"),
        ("upper = value + floor", "upper = value + 0.1 * floor"),
    ),
    *_in(
        "_problem",
        "test_error_terms_brackets.py -k 'Entries and not operators'",
        ("return self.entry_error + together", "return together"),
        ("return self.entry_error + together", "return 0.1 * self.entry_error + together"),
        ("entry_error=n * (worst + DENORMAL)", "entry_error=0.0"),
        ("entry_error=n * (worst + DENORMAL)", "entry_error=worst + DENORMAL"),
    ),
    *_in(
        "_problem",
        "test_error_terms_brackets.py -k 'operators and not other'",
        ("entry_error=upper_end(op.entries.norm_error, -exponent)", "entry_error=0.0"),
        ("entry_error=upper_end(op.entries.norm_error, -exponent)", "entry_error=op.entries.error"),
        ("depth=lambda: op.additions", "depth=lambda: 1"),
        ("float(np.max(op.absolute_row_sums)) * factor", "float(np.max(op.diagonal())) * factor"),
    ),
    *_in(
        "_problem",
        "test_error_terms_brackets.py -k Products",
        ("together * gamma(self.depth()) * row_sum", "gamma(self.depth()) * row_sum"),
        (
            "together * gamma(self.depth()) * row_sum",
            "0.1 * together * gamma(self.depth()) * row_sum",
        ),
        ("together * gamma(self.depth()) * row_sum", "together * gamma(1) * row_sum"),
        ("depth=lambda: n,", "depth=lambda: 1,"),
        ("np.max(np.sum(np.abs(matrix), axis=1))", "np.max(np.abs(matrix))"),
        ("together * (self.n + _FOREIGN) * _EPS * largest", "(self.n + _FOREIGN) * _EPS * largest"),
        ("together * (self.n + _FOREIGN) * _EPS * largest", "together * _FOREIGN * _EPS * largest"),
        (
            "together * (self.n + _FOREIGN) * _EPS * largest",
            "0.1 * together * (self.n + _FOREIGN) * _EPS * largest",
        ),
        ("depth=lambda: int(A.shape[0])", "depth=lambda: 1"),
    ),
    *_in(
        "_bracketed",
        "test_error_terms_brackets.py -k 'Recurrence or arrays or method'",
        ("run.multiplied) + run.defect", "run.multiplied)"),
        ("run.multiplied) + run.defect", "run.multiplied) + 0.1 * run.defect"),
        (
            "problem.noise_floor(float(np.max(np.abs(ritz))), run.multiplied)",
            "problem.noise_floor(float(np.max(np.abs(ritz))), 1)",
        ),
        (
            "furthest(run, low, -1.0, quantile, spread, Missed(slack))",
            "furthest(run, low, -1.0, quantile, spread)",
        ),
        (
            "furthest(run, high, 1.0, quantile, spread, Missed(slack))",
            "furthest(run, high, 1.0, quantile, spread)",
        ),
        (
            "furthest(run, low, -1.0, quantile, spread, Missed(slack))",
            "furthest(run, low, -1.0, quantile, spread, Missed(0.1 * slack))",
        ),
        (
            "upper, lower = least + least_error, most - most_error",
            "upper, lower = least, most - most_error",
        ),
        (
            "upper, lower = least + least_error, most - most_error",
            "upper, lower = least + least_error, most",
        ),
        ("inner_end(run, False, slack)", "inner_end(run, False, 0.0)"),
        ("inner_end(run, True, slack)", "inner_end(run, True, 0.0)"),
    ),
    *_in(
        "_lanczos",
        "test_error_terms_brackets.py -k Recurrence",
        ("self.defect = math.hypot(self.defect, missed)", "self.defect = missed"),
        ("self.defect = math.hypot(self.defect, missed)", "self.defect = 0.0"),
        (
            "frobenius_norm(device, remainder, self.norm) + self._measuring_error()",
            "self._measuring_error()",
        ),
        (
            "frobenius_norm(device, remainder, self.norm) + self._measuring_error()",
            "frobenius_norm(device, remainder, self.norm)",
        ),
        (
            "gamma(width + 3) * 6.0 * width * self.norm",
            "0.1 * gamma(width + 3) * 6.0 * width * self.norm",
        ),
        ("gamma(width + 3) * 6.0 * width * self.norm", "gamma(3) * 6.0 * self.norm"),
        (
            '            self.defect, self.norm = (float(value) for value in record["rounding"])\n',
            '            self.norm = float(record["rounding"][1])\n',
        ),
        (
            "self.earlier.append((self.diagonals, self.couplings))",
            "self.earlier.append((self.diagonals, self.couplings)); self.defect = 0.0",
        ),
    ),
    *_in(
        "_bounds",
        "test_error_terms_brackets.py -k InnerEnds",
        ("off = gamma(columns + 8) * np.sqrt(columns) * size", "off = 0.0"),
        ("off = gamma(columns + 8) * np.sqrt(columns) * size", "off = gamma(columns + 8) * size"),
        (
            "off = gamma(columns + 8) * np.sqrt(columns) * size",
            "off = gamma(8) * np.sqrt(columns) * size",
        ),
        (
            "(off + gamma(n) * length) * np.sqrt(max(leaving.size, 1))",
            "off * np.sqrt(max(leaving.size, 1))",
        ),
        ("(off + gamma(n) * length) * np.sqrt(max(leaving.size, 1))", "off + gamma(n) * length"),
        ("lost = float(np.linalg.norm(run.residual_part(vector)))", "lost = 0.0"),
        (
            "defect = float(np.linalg.norm(run.times_tridiagonal(small) - value * small))",
            "defect = 0.0",
        ),
        ("    defect += gamma(run.width_of_band + 4) * run.norm * size\n", ""),
        ("gamma(run.width_of_band + 4)", "0.1 * gamma(run.width_of_band + 4)"),
        ("error = np.sqrt(columns) * defect", "error = defect"),
        ("+ lost * float(np.linalg.norm(leaving))", ""),
        (" + missed * size\n", "\n"),
        (" + missed * size\n", " + 0.1 * missed * size\n"),
        (" + missed * size\n", " + missed\n"),
        ("float(error / length * (1.0", "float(error * (1.0"),
    ),
    *_in(
        "_nonzero",
        "test_error_terms_brackets.py -k nonzero",
        ("gamma(columns) * float(np.sum(factor * factor))", "0.0"),
        (
            "gamma(columns) * float(np.sum(factor * factor))",
            "0.1 * gamma(columns) * float(np.sum(factor * factor))",
        ),
        (
            "gamma(columns) * float(np.sum(factor * factor))",
            "gamma(1) * float(np.sum(factor * factor))",
        ),
        ("slack = (slack + entry_error) *", "slack = slack *"),
        ("slack = (slack + entry_error) *", "slack = (slack + 0.1 * entry_error) *"),
        ("A, error = problem.dense(), problem.entry_error", "A, error = problem.dense(), 0.0"),
        ("error = problem.entry_error + gamma(n + 16)", "error = gamma(n + 16)"),
    ),
    *_in(
        "_nonzero",
        "test_error_terms_brackets.py -k Nonzero",
        ("gamma(n + 16) * 1.01", "gamma(16) * 1.01"),
        ("gamma(n + 16) * 1.01", "0.1 * gamma(n + 16) * 1.01"),
        (" + gamma(n + 16) * 1.01 * float(np.trace(A))", ""),
    ),
    *_in(
        "_inverse",
        "test_error_terms_brackets.py -k inverse",
        (
            "lower - problem.entry_error, proven - problem.entry_error",
            "lower, proven - problem.entry_error",
        ),
        (
            "lower - problem.entry_error, proven - problem.entry_error",
            "lower - problem.entry_error, proven",
        ),
        ("+ 1.001 * (floor + rounding)", "+ 1.001 * rounding"),
        ("+ 1.001 * (floor + rounding)", "+ 0.1 * (floor + rounding)"),
        ("+ 1.001 * (floor + rounding)", ""),
    ),
]
