"""Every way to an answer, on the same matrices: brackets that hold the truth, and overlap."""

import numpy as np
import pytest
from helpers.matrices import matrix_with
from helpers.plain_request import plain_request
from helpers.tolerances import EPS
from scipy.sparse.linalg import aslinearoperator

import fastgram as fg
from fastgram.bracket import bracket_around
from fastgram.eigenvalues import extreme
from fastgram.eigenvalues.adapters import as_problem
from fastgram.eigenvalues.methods import certified, hybrid, inverse
from fastgram.eigenvalues.methods.costs import FACTOR_BYTES, Costs
from fastgram.eigenvalues.methods.inverse import run_inverse
from fastgram.eigenvalues.request import Answer
from fastgram.eigenvalues.results import RitzPairs
from fastgram.support import memory as support_memory


def request(**changes):
    return plain_request(**{"block": 8, **changes})


@pytest.fixture
def passes_only(monkeypatch):
    monkeypatch.setattr(extreme, "DENSE_LIMIT", 0)


DATA = [
    ("relu", fg.datasets.sphere(600, 3, 1)),
    ("relu", fg.datasets.sphere(600, 100, 1)),
    ("tanh", fg.datasets.sphere(600, 8, 1)),
    ("erf", fg.datasets.sphere(500, 5, 1)),
    ("elu", fg.datasets.digits()[:700] / 255.0),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "X"), DATA)
def test_all_ways_overlap_and_hold_the_truth(name, X, monkeypatch):
    op = fg.GramOperator(X, name)
    truth = np.linalg.eigvalsh(op.dense())
    slack = 4 * len(truth) * EPS * truth[-1]
    answers = {"dense": fg.extreme_eigenvalues(op, method="dense")}
    monkeypatch.setattr(extreme, "DENSE_LIMIT", 0)
    for method in ("auto", "lanczos", "certified"):
        answers[method] = fg.extreme_eigenvalues(op, method=method)
    answers["b = 3"] = fg.extreme_eigenvalues(op, method="auto", block=3, seed=5)
    for end, value in (("smallest", truth[0]), ("largest", truth[-1])):
        found = [getattr(answer, end) for answer in answers.values()]
        assert max(ends.lower for ends in found) <= value + slack
        assert min(ends.upper for ends in found) >= value - slack
    for answer in answers.values():
        assert answer.converged
        assert answer.resolved
    assert answers["certified"].smallest.guarantee == "certified"
    assert answers["certified"].largest.guarantee == "certified"


@pytest.mark.slow
def test_slow_passes_give_way_to_the_inverse_and_it_says_so(passes_only):
    X = fg.datasets.sphere(700, 3, 0)
    op = fg.GramOperator(X, "relu")
    answer = fg.extreme_eigenvalues(op)
    assert answer.converged
    assert "closed too slowly" in answer.message
    assert "the matrix was factorised" in answer.message
    assert answer.passes < 30  # of b = 16, where more than 40 would fill the space
    # the same on 2 threads, with nothing kept, and with half kept
    for memory in (700 * 700 * 8, None):
        other = fg.extreme_eigenvalues(fg.GramOperator(X, "relu", memory=memory))
        assert other.method == answer.method
        assert (other.smallest, other.largest) == (answer.smallest, answer.largest)


def test_where_half_of_the_matrix_is_not_to_be_kept_passes_go_on(passes_only):
    X = fg.datasets.sphere(300, 3, 0)
    answer = fg.extreme_eigenvalues(fg.GramOperator(X, "relu", memory=1000))
    assert answer.method == "lanczos"
    assert answer.converged


def test_free_memory_that_is_short_is_said(passes_only, monkeypatch):
    monkeypatch.setattr(hybrid, "free_memory", lambda: 1000)
    answer = fg.extreme_eigenvalues(np.diag(np.arange(1.0, 40.0)), block=2)
    assert answer.method == "lanczos"
    assert "bytes of memory, and 1,000 are free" in answer.message


def test_certified_needs_a_matrix_and_memory(monkeypatch):
    with pytest.raises(ValueError, match="the certified method needs an array or a GramOperator"):
        fg.extreme_eigenvalues(aslinearoperator(np.eye(3)), method="certified")
    monkeypatch.setattr(support_memory, "free_memory", lambda: 10)
    with pytest.raises(ValueError, match="certificate of order 3: 72 bytes"):
        fg.extreme_eigenvalues(np.eye(3), method="certified")


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_certified_of_any_symmetric_array(sign):
    values = sign * np.concatenate([[-3.0, -1.0], np.linspace(0.5, 2, 300)])
    matrix = matrix_with(values)
    answer = fg.extreme_eigenvalues(matrix, method="certified", block=4)
    for ends, value in ((answer.smallest, values.min()), (answer.largest, values.max())):
        assert ends.guarantee == "certified"
        assert ends.lower <= value <= ends.upper
        assert ends.within(1e-2)


@pytest.mark.slow
def test_certified_lower_end_is_near_wherever_it_can_be():
    # λ_min ≥ 200·(c + entry error) promises 1 %; c = γ(n + 2)·trace
    n = 500
    c = (n + 2) * EPS / 2 * n
    for ratio in (200.0, 2e3, 2e6):
        values = np.linspace(0.1, 1.9, n)
        values[0] = ratio * c
        answer = fg.extreme_eigenvalues(matrix_with(values), method="certified")
        assert answer.smallest.guarantee == "certified"
        assert answer.smallest.lower >= 0.99 * answer.smallest.upper
        assert answer.smallest.lower <= values[0] * (1 + 4 * n * EPS / values[0])


def test_below_the_floor_is_not_resolved(passes_only):
    X = fg.datasets.sphere(500, 2, 0)
    for method in ("auto", "certified"):
        answer = fg.extreme_eigenvalues(fg.GramOperator(X, "tanh"), method=method)
        assert not answer.resolved
        assert not answer.converged
        assert answer.smallest.lower == 0.0
        assert answer.smallest.upper < 1e-9
        assert "below the noise floor" in answer.message
        assert "exact_extreme_eigenvalues" in answer.message


def test_a_certificate_that_fails_leaves_the_bracket_and_says_so(monkeypatch):
    monkeypatch.setattr(certified, "certify_below", lambda *arguments: None)
    answer = fg.extreme_eigenvalues(np.diag(np.linspace(1, 2, 50)), method="certified", block=4)
    assert answer.smallest.guarantee == "probabilistic"
    assert "no factorisation near λ_min or λ_max ran through" in answer.message


def test_a_shift_that_is_too_far_in_gives_way():
    # the bracket handed over misses: its lower end is above λ_min
    matrix = matrix_with(np.linspace(1, 2, 100))
    problem = as_problem(matrix)
    pairs = RitzPairs(np.array([1.015]), np.zeros(1))
    wrong = bracket_around(1.005, 1.015, 1.015, "probabilistic")
    high = bracket_around(2.0, 2.001, 2.0, "probabilistic")
    answer = Answer(wrong, high, pairs, pairs, 0.0, 8, 1, "")
    proven = certified.certify(problem, request(), answer)
    assert proven.smallest.guarantee == "certified"
    assert proven.smallest.lower <= 1.0
    assert proven.largest.guarantee == "certified"
    assert proven.largest.upper >= 2.0 * (1 - 4 * EPS)


@pytest.mark.slow
@pytest.mark.parametrize("chance", [0.05, 0.0005])
def test_coverage_of_the_inverse(chance):
    # wide brackets, so that a miss would show: few products, and a flat edge
    missed = total = 0
    for seed in range(60):
        n = 40
        generator = np.random.default_rng(1000 + seed)
        values = np.sort(1.0 + generator.exponential(1.0, n))
        matrix = matrix_with(values, seed)
        asked = request(chance=chance, block=2, rtol=0.3, seed=seed)
        found = run_inverse(as_problem(matrix), asked, 0.2)
        assert found is not None
        total += 1
        ends = found.smallest
        assert ends.upper >= values[0] * (1 - 100 * EPS)
        missed += ends.lower > values[0]
    allowed = total * chance
    assert missed <= allowed + 4 * np.sqrt(allowed) + 1


def test_inverse_at_a_shift_that_is_too_high_goes_further_out():
    matrix = matrix_with(np.geomspace(1e-3, 1, 60))
    found = run_inverse(as_problem(matrix), request(), 1e-3 * (1 + 1e-13))
    assert found is not None
    assert found.smallest.lower <= 1e-3 * (1 + 1e-10)
    assert found.smallest.within(1e-2)
    assert run_inverse(as_problem(matrix), request(), 0.5) is None


def test_inverse_pairs_are_of_the_matrix():
    values = np.linspace(1, 3, 80)
    matrix = matrix_with(values)
    found = run_inverse(as_problem(matrix), request(k=3, vectors=True, rtol=1e-8), 0.9)
    np.testing.assert_allclose(found.pairs.values, values[:3], rtol=1e-3)
    vectors = found.pairs.vectors
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-12)
    residuals = np.linalg.norm(matrix @ vectors - vectors * found.pairs.values, axis=0)
    np.testing.assert_allclose(found.pairs.residuals, residuals, atol=1e-12)


def test_products_with_the_inverse_end_where_rounding_is_all():
    values = np.linspace(1, 3, 80)
    values[0] = 1e-12
    found = run_inverse(as_problem(matrix_with(values)), request(), 0.0)
    assert found is not None
    assert found.products < inverse._PRODUCTS
    assert found.smallest.lower <= 1e-12 + 100 * EPS


def test_costs_are_those_of_their_parts():
    costs = Costs(10_000, 16, 0.0, 500.0)
    assert costs.product == pytest.approx(max(4e8 / 1.5e10, 3.2e9 / 1.5e11))
    assert Costs(10_000, 16, 1.0, 500.0).product - costs.product == pytest.approx(5e7 * 500 / 8e10)
    assert Costs(10_000, 16, 1.0, 500.0, 8e10).product == 1.0
    fast = Costs(10_000, 16, 1.0, 500.0, speed=100.0)
    assert fast.passes(30) == pytest.approx(Costs(10_000, 16, 1.0, 500.0).passes(30) / 100.0)
    assert fast.factorisation == Costs(10_000, 16, 1.0, 500.0).factorisation
    assert fast.worth_passes() > Costs(10_000, 16, 1.0, 500.0).worth_passes()
    worth = costs.worth_passes()
    other = costs.factorisation + 6 * costs.solution
    assert costs.passes(worth - 1) < other <= costs.passes(worth)
    assert costs.passes(3) - costs.passes(2) > costs.passes(2) - costs.passes(1)
    assert FACTOR_BYTES > 4 * 30_000**2


def test_the_choice_does_not_follow_the_clock_or_the_machine():
    """The same on every machine and whenever it is asked: here as where the test was written."""
    known = {2049: 20, 5000: 42}
    assert {n: Costs(n, 16, 0.0, 0.0).worth_passes() for n in known} == known
    assert Costs(16_000, 16, 0.0, 300.0).worth_passes() == 125
    assert Costs(2500, 16, 0.0, 300.0).worth_passes() == 25
