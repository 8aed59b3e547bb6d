"""The spectrum that bench.passes takes for that of a large matrix, held against a matrix's own."""

import numpy as np

import fastgram as fg
from bench.passes import large_spectrum, report_large


def test_the_spectrum_is_about_that_of_a_matrix():
    n, d = 1500, 40
    expected = np.sort(large_spectrum(n, d))
    found = np.linalg.eigvalsh(fg.gram(fg.datasets.sphere(n, d, 0)))
    assert expected.shape == (n,)
    np.testing.assert_allclose(np.sum(expected), 0.5 * n, rtol=0.01)
    places = [0, n // 4, n // 2, -d - 3, -2, -1]
    np.testing.assert_allclose(found[places], expected[places], rtol=0.05)


def test_a_line_a_block(capsys):
    report_large(1200, 16, (8, 16))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"n=1200 d=16 b={b}" for b in (8, 16)]
    passes = [int(line.split(": ")[1].split()[0]) for line in lines]
    assert passes[0] > passes[1] > 5
