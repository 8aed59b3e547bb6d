"""Faults in brackets of the extreme eigenvalues: methods, adapters, rounding, words of results."""

from __future__ import annotations

from bench.faults.fault import faults_in

__all__ = ["FAULTS"]

FAULTS = [
    *faults_in(
        "support/rounding",
        "linalg/test_error_terms_certificate.py",
        ("rounding = count * eps / 2.0", "rounding = _EPS / 2.0"),
        ("rounding = count * eps / 2.0", "rounding = count * _EPS / 20.0"),
        ("return rounding / (1.0 - rounding)", "return rounding"),
        ("error = 2.0 * gamma(2 * n + 8) * size", "error = 2.0 * gamma(2 + 8) * size"),
        ("error = 2.0 * gamma(2 * n + 8) * size", "error = 0.2 * gamma(2 * n + 8) * size"),
        ("error = 2.0 * gamma(2 * n + 8) * size", "error = gamma(2 * n + 8) * size"),
        ("(np.abs(A) @ np.abs(vector))) / length", "(A @ vector)) / length"),
        ("return value - error, value + error", "return value, value + error"),
        ("return value - error, value + error", "return value - error, value"),
    ),
    *faults_in(
        "eigenvalues/methods/dense",
        "eigenvalues/test_error_terms_brackets.py -k 'Entries and not operators'",
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
    *faults_in(
        "eigenvalues/methods/certified",
        "eigenvalues/test_error_terms_brackets.py -k 'Entries and not operators'",
        ("    proven -= problem.entry_error\n", ""),
        ("    proven -= problem.entry_error\n", "    proven -= 0.1 * problem.entry_error\n"),
    ),
    *faults_in(
        "eigenvalues/methods/arpack",
        "eigenvalues/test_error_terms_brackets.py -k arpack",
        ("upper = value + floor", "upper = value"),
        ("upper = value + floor", "upper = value + 0.1 * floor"),
    ),
    *faults_in(
        "support/rounding",
        "eigenvalues/test_error_terms_brackets.py -k 'Entries and not operators'",
        ("return entry_error + math", "return math"),
        ("return entry_error + math", "return 0.1 * entry_error + math"),
    ),
    *faults_in(
        "eigenvalues/adapters",
        "eigenvalues/test_error_terms_brackets.py -k 'Entries and not operators'",
        ("self.n * (worst + DENORMAL)", "0.0"),
        ("self.n * (worst + DENORMAL)", "worst + DENORMAL"),
    ),
    *faults_in(
        "eigenvalues/gram_problem",
        "eigenvalues/test_error_terms_brackets.py -k 'operators and not other'",
        ("upper_end(matrix.norm_error, -self.exponent)", "0.0"),
        ("upper_end(matrix.norm_error, -self.exponent)", "matrix.entries.error"),
        ("return self._matrix.summands", "return 1"),
        ("float(np.max(self._matrix.absolute_row_sums))", "float(np.max(self._op.diagonal()))"),
    ),
    *faults_in(
        "support/rounding",
        "eigenvalues/test_error_terms_brackets.py -k Products",
        ("math.sqrt(vectors) * gamma(summands) * row_sum", "gamma(summands) * row_sum"),
        (
            "math.sqrt(vectors) * gamma(summands) * row_sum",
            "0.1 * math.sqrt(vectors) * gamma(summands) * row_sum",
        ),
        (
            "math.sqrt(vectors) * gamma(summands) * row_sum",
            "math.sqrt(vectors) * gamma(1) * row_sum",
        ),
    ),
    *faults_in(
        "eigenvalues/adapters",
        "eigenvalues/test_error_terms_brackets.py -k Products",
        ("        return self.n\n", "        return 1\n"),
        ("np.max(np.sum(np.abs(matrix), axis=1))", "np.max(np.abs(matrix))"),
    ),
    *faults_in(
        "eigenvalues/foreign_operator",
        "eigenvalues/test_error_terms_brackets.py -k Products",
        ("math.sqrt(min(columns, self.n)) * rounding", "rounding"),
        ("return self.n + _FOREIGN", "return _FOREIGN"),
        (
            "math.sqrt(min(columns, self.n)) * rounding",
            "0.1 * math.sqrt(min(columns, self.n)) * rounding",
        ),
    ),
    *faults_in(
        "eigenvalues/foreign_operator",
        "eigenvalues/test_error_terms_brackets.py -k SumsOfGramOperators",
        ("return self.entry_error + math", "return math"),
        ("rounding = plain + self._of_parts(_rounding)", "rounding = plain"),
        ("weight *= abs(float(parts[1]))", "pass"),
    ),
    *faults_in(
        "eigenvalues/methods/lanczos",
        "eigenvalues/test_error_terms_brackets.py -k 'Recurrence or arrays or method'",
        ("run.multiplied) + run.defect", "run.multiplied)"),
        ("run.multiplied) + run.defect", "run.multiplied) + 0.1 * run.defect"),
        (
            "problem.noise_floor(max(abs(end) for end in ritz), run.multiplied)",
            "problem.noise_floor(max(abs(end) for end in ritz), 1)",
        ),
        (
            "outer_bound(run, low, -1.0, quantile, spectral_scale, Missed(slack))",
            "outer_bound(run, low, -1.0, quantile, spectral_scale)",
        ),
        (
            "outer_bound(run, high, 1.0, quantile, spectral_scale, Missed(slack))",
            "outer_bound(run, high, 1.0, quantile, spectral_scale)",
        ),
        (
            "outer_bound(run, low, -1.0, quantile, spectral_scale, Missed(slack))",
            "outer_bound(run, low, -1.0, quantile, spectral_scale, Missed(0.1 * slack))",
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
    *faults_in(
        "eigenvalues/smallest_nonzero",
        "eigenvalues/test_error_terms_brackets.py -k nonzero",
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
    *faults_in(
        "eigenvalues/smallest_nonzero",
        "eigenvalues/test_error_terms_brackets.py -k Nonzero",
        ("gamma(n + 16) * 1.01", "gamma(16) * 1.01"),
        ("gamma(n + 16) * 1.01", "0.1 * gamma(n + 16) * 1.01"),
        (" + gamma(n + 16) * 1.01 * float(np.trace(A))", ""),
    ),
    *faults_in(
        "eigenvalues/methods/inverse",
        "eigenvalues/test_error_terms_brackets.py -k inverse",
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
    *faults_in(
        "eigenvalues/methods/inverse",
        "eigenvalues/test_error_terms_inverse.py",
        ("by_one = slack * _size(run, top) + error", "by_one = error"),
        (
            "by_one = slack * _size(run, top) + error",
            "by_one = 0.1 * slack * _size(run, top) + error",
        ),
        (" + error * _frobenius_size(run)", ""),
        (" + error * _frobenius_size(run)", " + 0.1 * error * _frobenius_size(run)"),
        ("Missed(run.defect + top * by_one, by_one)", "Missed(run.defect, by_one)"),
        ("Missed(run.defect + top * by_one, by_one)", "Missed(run.defect + by_one, by_one)"),
        ("Missed(run.defect + top * by_one, by_one)", "Missed(run.defect)"),
        ("    proven = below(shift, slack)\n", "    proven = shift\n"),
        ("if slack > excluded or edge <= 0.0:", "if edge <= 0.0:"),
        ("max(self.error, 1.01 * measured + self._rounding)", "self.error"),
        (
            "max(self.error, 1.01 * measured + self._rounding)",
            "max(self.error, 0.1 * measured + self._rounding)",
        ),
        ("gamma(2 * self.factor.n + 2) * self", "gamma(4) * self"),
        ("gamma(2 * self.factor.n + 2) * self", "0.1 * gamma(2 * self.factor.n + 2) * self"),
        ("floor + 4.0 * slack, products", "floor, products"),
        ("rounding = 2.0 * math.sqrt(k) * gamma(k + 4) * row_sum", "rounding = 0.0"),
        (
            "rounding = 2.0 * math.sqrt(k) * gamma(k + 4) * row_sum",
            "rounding = 2.0 * math.sqrt(k) * gamma(4) * row_sum",
        ),
    ),
    *faults_in(
        "support/scaling",
        "eigenvalues/test_error_terms_results.py -k 'ends or denormal or near'",
        ("return math.nextafter(result, -math.inf)", "return result"),
        ("return math.nextafter(result, -math.inf)", "return math.nextafter(result, math.inf)"),
        ("return -lower_end(-value, exponent)", "return lower_end(value, exponent)"),
        (
            "if value < 0.0 else float(np.finfo(np.float64).max)",
            "",
        ),
        ("max(math.frexp(size)[1], -_FAR)", "0"),
    ),
    *faults_in(
        "eigenvalues/brackets",
        "eigenvalues/test_error_terms_results.py -k 'ends or denormal or near'",
        (
            "lower_end(found.lower, exponent), upper_end(found.upper, exponent)",
            "lower_end(found.lower, exponent), lower_end(found.upper, exponent)",
        ),
    ),
    *faults_in(
        "bracket",
        "eigenvalues/test_error_terms_results.py -k condition",
        ("value if math.isinf(value) else math.nextafter(value, 0.0)", "value"),
        (
            "value if math.isinf(value) else math.nextafter(value, 0.0)",
            "math.nextafter(value, math.inf)",
        ),
        ("    return math.nextafter(value, math.inf)\n", "    return value\n"),
        ("    return math.nextafter(value, math.inf)\n", "    return math.nextafter(value, 0.0)\n"),
        (
            "_below(ratio(max(largest.lower, 0.0), smallest.upper))",
            "_below(ratio(max(largest.lower, 0.0), smallest.lower))",
        ),
        (
            "_above(ratio(largest.upper, smallest.lower))",
            "_above(ratio(largest.upper, smallest.upper))",
        ),
        (
            "if smallest.lower < 0.0 or largest.upper <= 0.0:",
            "if smallest.upper < 0.0 or largest.upper <= 0.0:",
        ),
    ),
]
