"""Any activation pair by pair: `smoothed_pairs`, by the polynomials of `smoothed_function`."""
