"""Faults in the bounds of all eigenvalues: envelopes, the law of ranks, sums."""

from __future__ import annotations

from bench.faults.fault import faults_in

__all__ = ["FAULTS"]

FAULTS = [
    *faults_in(
        "density/spectral_density",
        "density/test_error_terms_density.py",
        ("eigenvalue_bounds(seen, law, nodes, slack,", "eigenvalue_bounds(seen, law, nodes, 0.0,"),
        (
            "found.lower + added - rounding, found.upper + added + rounding",
            "found.lower + added, found.upper + added + rounding",
        ),
        (
            "found.lower + added - rounding, found.upper + added + rounding",
            "found.lower + added - rounding, found.upper + added",
        ),
        ("(lower, upper), slack, _SUMS * chance)", "(lower, upper), 0.0, _SUMS * chance)"),
    ),
    *faults_in(
        "density/rank_law",
        "density/test_error_terms_density.py",
        ("np.clip(ritz - slack, *ends)", "np.clip(ritz, *ends)"),
        ("np.clip(ritz + slack, *ends)", "np.clip(ritz, *ends)"),
        ("np.clip(ritz - slack, *ends)", "np.clip(ritz - 0.1 * slack, *ends)"),
        (
            "np.append(-np.inf, seen.upper_points)[places] - slack",
            "np.append(-np.inf, seen.upper_points)[places]",
        ),
        (
            "np.append(-np.inf, seen.upper_points)[places] - slack",
            "np.append(-np.inf, seen.upper_points)[places] - 0.1 * slack",
        ),
        (
            "np.append(seen.lower_points, np.inf)[places] + slack",
            "np.append(seen.lower_points, np.inf)[places]",
        ),
        (
            "np.append(seen.lower_points, np.inf)[places] + slack",
            "np.append(seen.lower_points, np.inf)[places] + 0.1 * slack",
        ),
        (" + _SUM_ERROR * size", ""),
        (" - _SUM_ERROR * size", ""),
    ),
    *faults_in(
        "density/sums",
        "density/test_error_terms_density.py",
        ("gamma(problem.n) * size + problem.n", "problem.n"),
        ("gamma(problem.n) * size + problem.n", "0.1 * gamma(problem.n) * size + problem.n"),
        ("gamma(problem.n) * size + problem.n", "gamma(1) * size + problem.n"),
        (" + problem.n * problem.entry_error", ""),
        (" + problem.n * problem.entry_error", " + problem.entry_error"),
        (
            "float(np.sum(diagonal)), float(np.sum(np.abs(diagonal)))",
            "float(np.sum(diagonal)), float(np.max(np.abs(diagonal)))",
        ),
        ("error = slack + _MEAN_ERROR", "error = _MEAN_ERROR"),
        ("error = slack + _MEAN_ERROR", "error = 0.1 * slack + _MEAN_ERROR"),
        ("error = slack + _MEAN_ERROR * float(np.max(np.abs(nodes)))", "error = slack"),
        (
            "error = slack + _MEAN_ERROR * float(np.max(np.abs(nodes)))",
            "error = slack + 0.1 * _MEAN_ERROR * float(np.max(np.abs(nodes)))",
        ),
        ("low = max(n * (mean - above - error), float", "low = max(n * (mean - above), float"),
        ("n * (mean + below + error)", "n * (mean + below)"),
        ("logs = np.log(nodes + slack)", "logs = np.log(nodes)"),
        ("_radau(run, smallest.lower - slack, -slack)", "_radau(run, smallest.lower - slack, 0.0)"),
        (
            "error += moved * (8.0 + math.log(top / moved) + abs(math.log(top)))",
            "error += 0.0",
        ),
    ),
    *faults_in(
        "density/quadrature",
        "density/test_error_terms_density.py",
        ("lower = 1.0 - (np.sqrt(1.0 - self.lower) + share) ** 2", "lower = self.lower"),
        (
            "lower = 1.0 - (np.sqrt(1.0 - self.lower) + share) ** 2",
            "lower = 1.0 - (np.sqrt(1.0 - self.lower) + 0.1 * share) ** 2",
        ),
        ("lower = 1.0 - (np.sqrt(1.0 - self.lower) + share) ** 2", "lower = self.lower - share**2"),
        ("upper = (np.sqrt(self.upper) + share) ** 2", "upper = self.upper"),
        (
            "upper = (np.sqrt(self.upper) + share) ** 2",
            "upper = (np.sqrt(self.upper) + 0.1 * share) ** 2",
        ),
        ("upper = (np.sqrt(self.upper) + share) ** 2", "upper = self.upper + share**2"),
        ("Envelope(self.lower_points + distance, lower", "Envelope(self.lower_points, lower"),
        ("lower, self.upper_points - distance, upper", "lower, self.upper_points, upper"),
        ("bounds.moved(rounding / share, share) for share", "bounds.moved(0.0, share) for share"),
        ("bounds.moved((error + rounding) / _SHARE, _SHARE)", "bounds.moved(0.0, _SHARE)"),
    ),
]
