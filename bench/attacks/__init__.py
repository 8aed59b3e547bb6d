"""Attacks: brackets, bounds and certificates against truths that share no numerics with them.

``python -m bench.attacks`` makes about ten thousand of them and counts those that miss. A part is a
function of a random generator that makes one case and judges what fastgram says of it; a case is
known by its part, its seed and its number, and can be made again alone.
`tests/bench/test_attacks.py` runs a few cases of every part.

- `truth.py` eigenvalues of exact matrices, by ball arithmetic in a precision that leaves no doubt;
  `checks.py` what a bracket is judged by
- `networks.py` infinite width, `entries.py` single entries, `finite.py` finite width
- `arrays.py` arrays of any scale, `certificates.py` NaN, infinities and overflow
- `overlaps.py` Lanczos and inverse runs with the least overlap that is promised for
- `coverage.py` how often probabilistic bounds hold
"""
