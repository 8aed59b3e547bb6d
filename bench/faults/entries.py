"""Faults in what is stated of entries: functions, layers, tables, rows, sums, finite width."""

from __future__ import annotations

from bench.faults.fault import faults_in

__all__ = ["FAULTS"]


_CONDITIONING = "infinite_width/test_error_terms_conditioning.py"
_GROUPS = "infinite_width/test_norm_groups.py -k made_of"
_PARTS = "infinite_width/test_norm_parts.py"
_LINES = "infinite_width/test_line_pairs.py -k close_pairs"
_ENTRIES = "infinite_width/test_error_terms_entries.py"
_FINITE = "finite_width/test_error_terms_finite.py"
_DIVIDED = "matrix/test_divided.py"
_ONE_PASS = "eigenvalues/test_error_terms_one_pass.py"

FAULTS = [
    *faults_in(
        "matrix/divided/tasks",
        f"{_DIVIDED} -k 'additions or merged'",
        ("max(first.summands, second.summands) + 1", "max(first.summands, second.summands)"),
        ("max(first.summands, second.summands) + 1", "first.summands + 1"),
    ),
    *faults_in(
        "matrix/divided/on_workers",
        f"{_DIVIDED} -k 'operator_of_workers'",
        ("local.summands + merge_levels(self.task_count)", "local.summands"),
    ),
    *faults_in(
        "infinite_width/conditioning",
        f"{_CONDITIONING} -k 'functions_that_are_off'",
        ("return 2.0 * FUNCTION_ERROR + _DOUBLED", "return FUNCTION_ERROR + _DOUBLED"),
        ("return 2.0 * FUNCTION_ERROR + _DOUBLED", "return _DOUBLED"),
        ("grown = _elasticity(network, inputs) * self._variance", "grown = self._variance"),
        ("grown = _elasticity(network, inputs) * self._variance", "grown = 0.0"),
        (
            "grown = _elasticity(network, inputs) * self._variance",
            "grown = 0.1 * _elasticity(network, inputs) * self._variance",
        ),
        ("_MARGIN * float(steepest / max", "0.1 * float(steepest / max"),
        (" + response.change() * self._variance", ""),
        ("self._own * (response.own_error + fitted)", "self._own * fitted"),
        ("self._own * (response.own_error + _FEW)", "self._own * _FEW"),
        ("covariance = value + few", "covariance = np.full(_CHORDS.size, few)"),
        ('(tangent if kind == "ntk" else covariance) + few', "few"),
    ),
    *faults_in(
        "infinite_width/conditioning",
        f"{_CONDITIONING} -k 'factor_that_is_off'",
        ("response.change() * self._variance + self._factor", "response.change() * self._variance"),
        ("(response.own_error + _FEW) + self._factor", "(response.own_error + _FEW)"),
        ("self._factor = self._own * _response", "self._factor = 0.1 * self._own * _response"),
    ),
    *faults_in(
        "infinite_width/conditioning",
        f"{_CONDITIONING} -k 'converged'",
        ("_DOUBLED * self.values_missed + _FEW", "_FEW"),
        ("_DOUBLED * self.values_missed + _FEW", "0.1 * _DOUBLED * self.values_missed + _FEW"),
        ("FUNCTION_ERROR + _DOUBLED * response.chords_missed", "FUNCTION_ERROR"),
        (
            "FUNCTION_ERROR + _DOUBLED * response.chords_missed",
            "FUNCTION_ERROR + 0.1 * _DOUBLED * response.chords_missed",
        ),
        ("angles, variance, level + 1)", "angles, variance, level)"),
        ("local += _DOUBLED * response.values_missed", "local += 0.0 * response.values_missed"),
        ("values_missed += abs(square - float(parallel[0]))", "pass"),
    ),
    *faults_in(
        "infinite_width/conditioning",
        f"{_CONDITIONING} -k 'degree'",
        ("_DOUBLED * found.of.fit_error(s)", "0.0"),
        ("_DOUBLED * found.of.fit_error(s)", "0.1 * found.of.fit_error(s)"),
        ("missed + kept * _DOUBLED * f.of.fit_error(s)", "missed"),
        ("missed + kept * _DOUBLED * f.of.fit_error(s)", "missed + 0.1 * f.of.fit_error(s)"),
    ),
    *faults_in(
        "infinite_width/layer_maps",
        f"{_CONDITIONING} -k 'degree'",
        ("self.missed[self._pieces_of(s)]", "0.1 * self.missed[self._pieces_of(s)]"),
        (
            "miss = np.max(np.abs(weighted @ series - flat)",
            "miss = np.min(np.abs(weighted @ series - flat)",
        ),
    ),
    *faults_in(
        "infinite_width/conditioning",
        f"{_CONDITIONING} -k 'ripple or variance_that or two_norms or tell_rows or norms_that'",
        ("np.full(s.size, FUNCTION_ERROR + ", "np.full(s.size, 0.0 * FUNCTION_ERROR + "),
        ("np.full(s.size, FUNCTION_ERROR + ", "np.full(s.size, 0.1 * FUNCTION_ERROR + "),
        ("response.stretch(gain, bias) * self._variance * s_after / 2.0", "0.0"),
        (
            "response.stretch(gain, bias) * self._variance * s_after / 2.0",
            "0.1 * response.stretch(gain, bias) * self._variance * s_after / 2.0",
        ),
        ("chord += 2.0 * response.cone(gain, bias)", "chord += 0.0 * response.cone(gain, bias)"),
        ("chord += 2.0 * response.cone(gain, bias)", "chord += 0.2 * response.cone(gain, bias)"),
        ("self._variance = 2.0 * _OF_NORMS if", "self._variance = 0.2 * _OF_NORMS if"),
        ("_OF_NORMS = 64.0 * _EPS", "_OF_NORMS = 1.0"),
        ("moved / (np.sqrt(s_after**2 + moved) + s_after)", "0.0 * moved"),
    ),
    *faults_in(
        "infinite_width/conditioning",
        f"{_CONDITIONING} -k 'declared'",
        ("(np.sqrt(s_after**2 + missed / 2.0) + s_after)", "(2.0 * s_after)"),
    ),
    *faults_in(
        "infinite_width/conditioning",
        f"{_ENTRIES} -k 'functions_that_are_off'",
        ("EntryErrors(2.0 * base, 2.0 * by_norm)", "EntryErrors(0.2 * base, 2.0 * by_norm)"),
    ),
    *faults_in(
        "infinite_width/tables/cosine_table",
        f"{_ENTRIES} -k 'degree or cell or functions or for_one'",
        ("(largest_error(*residuals) + largest_error(*roundings))", "max(roundings)"),
        ("_DOUBLED * (largest_error(*residuals)", "_DOUBLED * (0.1 * max(residuals)"),
        ("bound = missed + profile.error", "bound = missed"),
        ("residuals.append(float(np.max(errors)))", "residuals.append(float(np.min(errors)))"),
        ("by_norm=profile.by_norm", "by_norm=0.1 * profile.by_norm"),
        ("(largest_error(*residuals) + largest_error(*roundings))", "max(residuals)"),
    ),
    *faults_in(
        "infinite_width/integrated_entries",
        _GROUPS,
        ("_MARGIN * max(miss - self.separated.miss, 0.0)", "0.0"),
    ),
    *faults_in(
        "matrix/computed_matrix",
        _GROUPS,
        ("for entries in (self.entries, *ordered)", "for entries in (self.entries,)"),
    ),
    *faults_in(
        "infinite_width/tables/norm_groups",
        _GROUPS,
        ("worst = largest_error(worst, np.max(missed, initial=0.0))", "worst = 0.0"),
    ),
    *faults_in(
        "infinite_width/tables/norm_sides",
        f"{_PARTS} -k 'side_says or apart or parted'",
        ("if np.max(np.abs(off)) <= _ALIKE:", "if True:"),
        ("has_rest=bool(np.max(np.abs(rest)) > _ALIKE)", "has_rest=False"),
    ),
    *faults_in(
        "infinite_width/tables/norm_table",
        f"{_PARTS} -k 'columns_are_parted or table_misses'",
        ("few = cells.on_columns(columns.range.restriction(part))", "few = cells"),
        ("return table if table.miss <= ALLOWED else None", "return table"),
        ("miss=largest_error(*missed)", "miss=0.0"),
        ("miss=largest_error(*missed)", "miss=missed[0]"),
    ),
    *faults_in(
        "infinite_width/tables/norm_groups",
        f"{_PARTS} -k 'groups_miss'",
        ("for far in (False, True):\n        values", "for far in (False,):\n        values"),
    ),
    *faults_in(
        "kernels/cpu/pairs/parallel_rows",
        _LINES,
        ("_NARROW = 0.05", "_NARROW = 0.0"),
        ("return zeroth, low[1] - high[1], zeroth", "return zeroth, low[2] - high[2], zeroth"),
    ),
    *faults_in(
        "infinite_width/separable_table",
        f"{_ENTRIES} -k 'few_norms or functions or norms_that_are_off or rows_that_are_off'",
        ("_MARGIN * (miss + tolerance) + 3.0 * base", "3.0 * base"),
        (
            "_MARGIN * (miss + tolerance) + 3.0 * base",
            "0.1 * _MARGIN * (miss + tolerance) + 3.0 * base",
        ),
        ("_MARGIN * (miss + tolerance) + 3.0 * base", "_MARGIN * (miss + tolerance)"),
        ("+ 3.0 * base", "+ 0.3 * base"),
        ("replace(separated, error=error, slope", "replace(separated, error=0.1 * error, slope"),
        ("slope=1.5 * slope, by_norm=by_norm", "slope=1.5 * slope, by_norm=0.1 * by_norm"),
        ("slope=1.5 * slope", "slope=0.1 * slope"),
    ),
    *faults_in(
        "infinite_width/pairs/smoothed/smoothed_pairs",
        "infinite_width/test_smoothed_pairs.py -k measured",
        ("(1.0 + _DOUBLED * missed / _ALLOWED / 2.0)", "1.0"),
    ),
    *faults_in(
        "infinite_width/entries",
        f"{_ENTRIES} -k 'rows_that_are_off or norms_that or functions or products'",
        ("self.table.error + self.table.slope * self.chord_error()", "self.table.error"),
        (
            "self.table.error + self.table.slope * self.chord_error()",
            "self.table.slope * self.chord_error()",
        ),
        ("self.error += self.table.by_norm * (self.weight_error() + deviation)", "pass"),
        (
            "self.table.by_norm * (self.weight_error() + deviation)",
            "self.table.by_norm * deviation",
        ),
        (
            "self.table.by_norm * (self.weight_error() + deviation)",
            "self.table.by_norm * self.weight_error()",
        ),
        ("max(self.rows.norm_error, self.columns.norm_error) + 2.0", "2.0"),
        ("cosine = rows + count * unit", "cosine = rows + unit"),
        ("cosine = rows + count * unit", "cosine = rows + 0.1 * count * unit"),
        ("cosine = rows + count * unit", "cosine = count * unit"),
        ("float(cosine / (4.0 * least))", "0.1 * float(cosine / (4.0 * least))"),
    ),
    *faults_in(
        "infinite_width/entry_choice",
        f"{_ENTRIES} -k 'norms_that'",
        ("width / middle if middle else 0.0", "0.1 * width / middle if middle else 0.0"),
    ),
    *faults_in(
        "infinite_width/integrated_entries",
        f"{_ENTRIES} -k 'rows_that_are_off or norms_that or functions or products'",
        ("error + slope * self.chord_error() + by_norm", "error + by_norm"),
        ("error + slope * self.chord_error() + by_norm", "slope * self.chord_error() + by_norm"),
        (" + by_norm * self.weight_error()", ""),
        ("pairs.error + pairs.slope * self.chord_error()", "pairs.error"),
        ("pairs.error + pairs.slope * self.chord_error()", "pairs.error / 10.0"),
        ("self.error += pairs.by_norm * self.weight_error()", "pass"),
    ),
    *faults_in(
        "infinite_width/pairs/line_pairs",
        "infinite_width/test_line_pairs.py -k 'rules_that or norms_that'",
        ("own + 2.0 * FUNCTION_ERROR + _ALLOWED", "2.0 * FUNCTION_ERROR + _ALLOWED"),
        ("_MARGIN * largest_error(*changes)", "0.1 * largest_error(*changes)"),
    ),
    *faults_in(
        "infinite_width/pairs/wave_pairs",
        "infinite_width/test_wave_pairs.py -k 'what_is_off or within_what'",
        ("2.0 * moves * deviation + _TURN", "_TURN"),
        ("+ _TURN * turns * chord +", "+"),
        ("chord = turns * chord + moves * deviation +", "chord = turns * chord +"),
        ("chord = turns * chord + moves * deviation +", "chord = chord + moves * deviation +"),
        ("np.maximum(covariance, tangent + slope)", "covariance"),
    ),
    *faults_in(
        "infinite_width/pairs/norm_pairs",
        "infinite_width/test_norm_pairs.py -k too_few",
        ("(1.0 + missed / _ALLOWED / 2.0)", "1.0"),
        ("_DOUBLED * largest_error(", "0.01 * largest_error("),
    ),
    *faults_in(
        "infinite_width/entries",
        f"{_ENTRIES} -k 'whole_matrix or underflow'",
        ("self.error * float(np.sum(self.row_scales**2))", "0.0"),
        (
            "self.error * float(np.sum(self.row_scales**2))",
            "self.error * float(np.max(self.row_scales**2))",
        ),
        ("relative + self.shape[0] * _UNDERFLOW[self.dtype]", "relative"),
    ),
    *faults_in(
        "network/duals",
        f"{_ENTRIES} -k 'careful'",
        ("return math.fsum([*terms.tolist(), *lost])", "return sum([*terms.tolist(), *lost])"),
        ("return math.fsum([*terms.tolist(), *lost])", "return math.fsum(terms.tolist())"),
    ),
    *faults_in(
        "eigenvalues/one_pass_bound",
        _ONE_PASS,
        ("count = self.entries.shape[0] + 2", "count = self.entries.shape[0]"),
        ("count = self.entries.shape[0] + 2", "count = 1"),
        ("count * (table.error + table.slope * chord +", "count * (table.slope * chord +"),
        ("table.slope * chord + max(norms, 0.0))", "max(norms, 0.0))"),
        ("table.slope * chord + max(norms, 0.0))", "0.1 * table.slope * chord + max(norms, 0.0))"),
        (" + max(norms, 0.0))", ")"),
        ("slack = entry_slack + gamma(n + 8) * sums", "slack = gamma(n + 8) * sums"),
        ("gamma(n + 8) * sums + ", ""),
        ("gamma(n + 8) * sums", "gamma(8) * sums"),
        ("gamma(n + 8) * sums", "0.1 * gamma(n + 8) * sums"),
        (" + scale_error * np.abs(margins)", ""),
        ("scale_error = 2.0 * power *", "scale_error = 2.0 *"),
        ("scale_error = 2.0 * power *", "scale_error = power *"),
    ),
    *faults_in(
        "finite_width/rounding_error",
        _FINITE,
        (
            "value_error = _row_error(off, delta, row_delta) + _VALUE * _norms(values)",
            "value_error = _row_error(off, delta, row_delta)",
        ),
        ("value_error = _row_error(off, delta, row_delta) + _VALUE", "value_error = _VALUE"),
        ("reach = gamma(inputs.shape[1] + 2) * size + error", "reach = error"),
        (
            "reach = gamma(inputs.shape[1] + 2) * size + error",
            "reach = 0.1 * gamma(inputs.shape[1] + 2) * size + error",
        ),
        ("row_delta = rounding + gain * error", "row_delta = rounding"),
        (
            "row_delta = rounding + gain * error",
            "row_delta = rounding + 0.1 * gain * error",
        ),
        ("error = features.layer_scale * value_error + _FEW", "error = _FEW"),
        (
            "np.maximum(np.abs(low - values), np.abs(high - values))",
            "np.minimum(np.abs(low - values), np.abs(high - values))",
        ),
        (
            "low, high = function(z - error), function(z + error)",
            "low, high = function(z), function(z + error)",
        ),
        ("beta += (_VALUE + _FEW) * _norms(backward)", "beta += _FEW * _norms(backward)"),
        ("_norms(last.off * np.abs(readout))", "0.1 * _norms(last.off * np.abs(readout))"),
        ("total += sums * norm**2", "total += 0.0"),
        ("total += sums * norm**2", "total += 0.1 * sums * norm**2"),
        ("sums = gamma(p, eps) +", "sums ="),
        ("gamma(m, eps)) + 4 * eps", "gamma(1, eps)) + 4 * eps"),
        ("total += 2.0 * norm *", "total += norm *"),
        ("np.linalg.norm(beta * x) + np.linalg.norm(y * xi)", "np.linalg.norm(beta * x)"),
        ("np.linalg.norm(beta * x) + np.linalg.norm(y * xi)", "np.linalg.norm(y * xi)"),
        (
            "1.01 * np.linalg.norm(square @ square) ** 0.25",
            "0.1 * np.linalg.norm(square @ square) ** 0.25",
        ),
        ("beta += _VALUE * largest + _FEW * _norms(backward)", "pass"),
    ),
    *faults_in(
        "matrix/products",
        _FINITE,
        ("tile + -(-n // tile) + 8", "-(-n // tile) + 8"),
        ("tile + -(-n // tile) + 8", "tile + 8"),
    ),
    *faults_in(
        "matrix/computed_matrix",
        "finite_width/test_finite.py -k noise_goes",
        ("max(self._summands.values()) if", "min(self._summands.values()) if"),
        ("np.asarray(np.max(list(self._row_sums", "np.asarray(np.min(list(self._row_sums"),
    ),
    *faults_in(
        "finite_width/factored_product",
        _FINITE,
        ("own = rows + -(-n // rows) + forward", "own = -(-n // rows) + forward"),
        ("own = rows + -(-n // rows) + forward", "own = rows + -(-n // rows)"),
        ("own += size + -(-backward // size)", "own += 0"),
        ("worst = max(worst, own)", "worst = min(worst, own)"),
    ),
    *faults_in(
        "infinite_width/tables/cosine_table",
        "infinite_width/test_middle.py -k 'high_degree or samples'",
        ("if samples.difference(even, odd) <= allowed / _DOUBLED:", "if True:"),
        ("allowed = table.error - profile.error - _beside", "allowed = table.error - _beside"),
    ),
    *faults_in(
        "kernels/cuda/fused/product",
        "kernels/test_cuda_fused_product.py -k 'additions'",
        ("SUMMANDS = _LONGEST_RUN * TILE_COLUMNS + 5", "SUMMANDS = TILE_COLUMNS + 5"),
    ),
    *faults_in(
        "devices/gpu",
        "devices/test_error_terms_devices.py",
        ("key = id(array), form\n", "key = id(array), None\n"),
        ("return self.device_copy(rows.unit, padded_rows)", "return self.device_copy(rows.unit)"),
    ),
    *faults_in(
        "devices/cpu",
        "linalg/test_block_lanczos.py -k 'orthogonality'",
        ("block[rows] -= chunk[rows] @ coefficients", "block[rows] -= 0.0 * block[rows]"),
    ),
]
