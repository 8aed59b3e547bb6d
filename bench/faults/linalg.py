"""Faults in what the linear algebra proves: certificates, Lanczos runs and what they exclude."""

from __future__ import annotations

from bench.faults.fault import faults_in

__all__ = ["FAULTS"]

FAULTS = [
    *faults_in(
        "linalg/certificate",
        "linalg/test_error_terms_certificate.py",
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
    *faults_in(
        "linalg/packed_cholesky",
        "linalg/test_error_terms_certificate.py",
        ("if failed or not np.all((pivots > 0.0) & np.isfinite(pivots)):", "if failed:"),
    ),
    *faults_in(
        "linalg/block_lanczos",
        "eigenvalues/test_error_terms_brackets.py -k Recurrence",
        ("self.defect = math.hypot(self.defect, off)", "self.defect = off"),
        ("self.defect = math.hypot(self.defect, off)", "self.defect = 0.0"),
        ("off = float(missed) + self._measuring", "off = self._measuring"),
        ("missed = device.get(device.norm(remainder, self.norm))", "missed = 0.0"),
        (" + self._measuring_error(diagonal, coupling)", ""),
        ("gamma(width + 3) * 2.0 * math.sqrt(width)", "0.1 * gamma(width + 3) * math.sqrt(width)"),
        ("gamma(width + 3) * 2.0 * math.sqrt(width) * sizes", "gamma(3) * sizes"),
        (
            '            self.defect, self.norm = (float(value) for value in record["rounding"])\n',
            '            self.norm = float(record["rounding"][1])\n',
        ),
        (
            "self.earlier.append((self.diagonals, self.couplings))",
            "self.earlier.append((self.diagonals, self.couplings)); self.defect = 0.0",
        ),
    ),
    *faults_in(
        "linalg/lanczos_bound",
        "eigenvalues/test_error_terms_brackets.py -k InnerEnds",
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
    *faults_in(
        "linalg/exclusion",
        "linalg/test_error_terms_exclusion.py",
        (
            "nearest, shift = 4.0 * elimination_error, 6.0 * elimination_error",
            "nearest, shift = 4.0 * elimination_error, 0.0",
        ),
        (
            "nearest, shift = 4.0 * elimination_error, 6.0 * elimination_error",
            "nearest, shift = 4.0 * elimination_error, 0.6 * elimination_error",
        ),
        ("raised = 1.0 + 4.0 * elimination_error / distances", "raised = 1.0 + 0.0 * distances"),
        (
            "raised = 1.0 + 4.0 * elimination_error / distances",
            "raised = 1.0 + 0.4 * elimination_error / distances",
        ),
        (
            "missed = Missed(missed.fixed + elimination_error, missed.growth)",
            "missed = Missed(missed.fixed, missed.growth)",
        ),
        (
            "missed = Missed(missed.fixed + elimination_error, missed.growth)",
            "missed = Missed(missed.fixed + 0.1 * elimination_error, missed.growth)",
        ),
        (
            "missed = Missed(missed.fixed + elimination_error, missed.growth)",
            "missed = Missed(elimination_error, missed.growth)",
        ),
        ("(run.diagonals[0].shape[0] + 8) * _EPS * spectral_scale", "_EPS * spread"),
        (
            "(run.diagonals[0].shape[0] + 8) * _EPS * spectral_scale",
            "0.1 * (run.diagonals[0].shape[0] + 8) * _EPS * spectral_scale",
        ),
        ("    while elimination_error < spectral_scale:\n", "    while False:\n"),
        ("phi = missed.at(2.0 * distances) / distances", "phi = 0.0 * distances"),
        (
            "phi = missed.at(2.0 * distances) / distances",
            "phi = 0.1 * missed.at(2.0 * distances) / distances",
        ),
        ("return self.fixed + self.growth * distance", "return self.fixed + 0.0 * distance"),
        (
            "return self.fixed + self.growth * distance",
            "return self.fixed + 0.1 * self.growth * distance",
        ),
        (
            "slack_left = goal * _SLACK_KEPT - root * (1.0 + phi) - phi * sigma",
            "slack_left = goal * _SLACK_KEPT - root * (1.0 + phi)",
        ),
        ("phi * np.exp(flows) < goal", "0.0 * np.exp(flows) < goal"),
    ),
    *faults_in(
        "linalg/exclusion",
        "linalg/test_exclusion.py -k 'excluded or excludes or measures or level or walk'",
        (
            "_RADIUS_KEPT, _SLACK_KEPT = 0.999, 1.0 - 1e-6",
            "_RADIUS_KEPT, _SLACK_KEPT = 1.1, 1.0 - 1e-6",
        ),
        (
            "slack_left = goal * _SLACK_KEPT - root * (1.0 + phi) - phi * sigma",
            "slack_left = goal * _SLACK_KEPT - root - phi * sigma",
        ),
        ("plain = slack_left / (root + sigma)", "plain = slack_left / root"),
        ("plain = slack_left / (root + sigma)", "plain = slack_left / sigma"),
        ("square = linear**2 + 4.0 * (eta + sigma) *", "square = linear**2 + 4.0 * sigma *"),
        ("distance * (1.0 + tau) < self.edge", "distance * (1.2 + tau) < self.edge"),
        ("min(self.edge, distance * (1.0 - tau))", "min(self.edge, distance * (0.9 - tau))"),
    ),
    *faults_in(
        "linalg/elimination",
        "linalg/test_exclusion.py -k measures",
        (
            "part = distances * _roots_of_norms(inside[:, :block, :block])",
            "part = np.zeros_like(distances)",
        ),
        ("part += distances**2 *", "part += 0.0 *"),
    ),
]
