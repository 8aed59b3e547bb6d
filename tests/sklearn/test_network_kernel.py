"""NetworkKernel: in everything that takes a kernel; its derivatives against closed forms."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.oracles.closed_forms import FORMS
from helpers.oracles.deep_entries import entry
from helpers.tolerances import EPS
from mpmath import mp, mpf
from sklearn.base import clone
from sklearn.cluster import SpectralClustering
from sklearn.decomposition import KernelPCA
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.kernel_approximation import Nystroem
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC, SVR

import fastgram as fg
from fastgram.sklearn import NetworkKernel, network_kernel

X = fg.datasets.sphere(40, 3, seed=0)
OTHER = fg.datasets.sphere(7, 3, seed=1)
Y = X[:, 0] * X[:, 1]
LABELS = (Y > 0).astype(int)

KERNELS = {
    "relu": NetworkKernel(),
    "deep relu": NetworkKernel("relu", depth=3, kind="ntk", weight_variance=1.7),
    "relu with biases": NetworkKernel("relu", depth=2, bias_variance=0.3),
    "erf": NetworkKernel("erf", kind="ntk", weight_variance=2.0, bias_variance=0.1),
    "normalized": NetworkKernel("erf", depth=2, kind="gradient", normalize=True),
}


@pytest.fixture(params=KERNELS)
def kernel(request):
    return KERNELS[request.param]


def network_of(kernel):
    names = ("activation", "depth", "weight_variance", "bias_variance", "normalize")
    return fg.Network(**{name: getattr(kernel, name) for name in names})


# --- what it is ----------------------------------------------------------------------------------


def test_it_is_the_gram_matrix(kernel):
    options = {"network": network_of(kernel), "kind": kernel.kind}
    assert np.array_equal(kernel(X), fg.gram(X, **options))
    assert np.array_equal(kernel(X, OTHER), fg.gram(X, OTHER, **options))


def test_rows_with_themselves_are_half_a_matrix(monkeypatch):
    given = []
    plain = network_kernel.gram
    monkeypatch.setattr(network_kernel, "gram", lambda A, B, *a, **k: given.append(B) or plain(A))
    NetworkKernel()(X, X)
    NetworkKernel()(X)
    assert given == [None, None]


def test_the_diagonal_is_that_of_the_matrix(kernel):
    scaled = X[:8] * np.linspace(0, 2, 8)[:, None]
    scaled = scaled if network_of(kernel).homogeneity() else X
    assert np.allclose(kernel.diag(scaled), np.diag(kernel(scaled)), rtol=100 * EPS, atol=0)


def test_the_diagonal_needs_no_matrix(monkeypatch):
    monkeypatch.setattr(network_kernel, "gram", None)
    assert np.allclose(NetworkKernel().diag(np.ones((100_000, 3))), 1.5, rtol=10 * EPS)


def test_clones_pickles_and_prints(kernel):
    for copy in (clone(kernel), pickle.loads(pickle.dumps(kernel))):
        assert copy == kernel
        assert copy is not kernel
        assert np.array_equal(copy(X), kernel(X))
    assert clone(kernel).set_params(depth=5) != kernel
    assert not kernel.is_stationary()
    assert repr(NetworkKernel("tanh", normalize=True)) == (
        "NetworkKernel('tanh', depth=1, kind='nngp', weight_variance=1, bias_variance=0,"
        " normalize=True)"
    )


def test_an_activation_of_ones_own():
    cube = fg.Activation("cube", lambda z: z**3, lambda z: 3 * z**2)
    kernel = clone(NetworkKernel(cube))
    assert np.array_equal(kernel(X), fg.gram(X, network=cube, kind="nngp"))


# --- hyperparameters -----------------------------------------------------------------------------


def test_theta_is_what_is_not_fixed():
    kernel = NetworkKernel(weight_variance=2.0, bias_variance=0.5, bias_variance_bounds=(0.1, 1.0))
    assert np.allclose(kernel.theta, np.log([0.5, 2.0]))
    assert np.allclose(kernel.bounds, np.log([[0.1, 1.0], [1e-3, 1e3]]))
    moved = kernel.clone_with_theta(np.log([0.25, 3.0]))
    assert np.allclose([moved.bias_variance, moved.weight_variance], [0.25, 3.0])
    fixed = NetworkKernel(bias_variance=0.5, bias_variance_bounds="fixed")
    assert [p.name for p in fixed.hyperparameters if not p.fixed] == ["weight_variance"]
    assert NetworkKernel(weight_variance_bounds="fixed").theta.size == 0


def test_no_biases_stay_none():
    kernel = NetworkKernel(weight_variance=2.0)
    assert np.array_equal(kernel.theta, np.log([2.0]))
    assert kernel.clone_with_theta(np.log([3.0])).bias_variance == 0.0


def entry_in_mpmath(kernel, x, y, logarithms):
    """An entry at some logarithms of the two variances, by closed forms of another code."""
    weight, bias = (mp.exp(value) if value is not None else mpf(0) for value in logarithms)
    inner = lambda a, b: weight * mp.fsum(mpf(s) * mpf(t) for s, t in zip(a, b)) + bias  # noqa: B905, E731
    norms = [mp.sqrt(inner(z, z)) for z in (x, y)]
    network = SimpleNamespace(
        weight_variance=weight,
        bias_variance=bias,
        normalize=kernel.normalize,
        depth=kernel.depth,
    )
    form = FORMS[kernel.activation]
    theta = mp.acos(inner(x, y) / norms[0] / norms[1])
    return entry(lambda d, rho, *q: form(rho, *q, d), network, kernel.kind, theta, norms)


def test_derivatives_against_closed_forms(kernel):
    K, gradient = kernel(X, eval_gradient=True)
    assert np.array_equal(K, kernel(X))
    logarithms = [
        mp.log(mpf(value)) if value else None
        for value in (kernel.weight_variance, kernel.bias_variance)
    ]
    places = [1, 0] if kernel.bias_variance else [0]  # the bias variance comes first
    assert gradient.shape == (40, 40, len(places))
    for i, j in [(0, 1), (2, 3)]:
        x, y = X[i].tolist(), X[j].tolist()
        for which, place in enumerate(places):

            def along(value, which=which, x=x, y=y):
                moved = [*logarithms]
                moved[which] = value
                return entry_in_mpmath(kernel, x, y, moved)

            exact = mp.diff(along, logarithms[which])
            assert abs(gradient[i, j, place] - exact) <= 1e-6 * abs(exact) + 1e-7 * K[i, i]


def test_a_homogeneous_derivative_takes_no_difference(monkeypatch):
    kernel = NetworkKernel("relu", depth=4, kind="ntk")
    calls = []
    plain = network_kernel.gram
    monkeypatch.setattr(network_kernel, "gram", lambda *a, **k: calls.append(a) or plain(*a, **k))
    K, gradient = kernel(X, eval_gradient=True)
    assert len(calls) == 1
    assert np.array_equal(gradient[..., 0], 4 * K)


def test_nothing_to_derive_by():
    K, gradient = NetworkKernel(weight_variance_bounds="fixed")(X, eval_gradient=True)
    assert gradient.shape == (*K.shape, 0)


def test_composed_derivatives():
    kernel = 2.0 * NetworkKernel("erf", bias_variance=0.2) + WhiteKernel(0.1) * RBF(2.0)
    _, gradient = kernel(X, eval_gradient=True)
    step = 1e-5
    for k in range(kernel.n_dims):
        shift = step * np.eye(kernel.n_dims)[k]
        up, down = (kernel.clone_with_theta(kernel.theta + side)(X) for side in (shift, -shift))
        assert np.allclose(gradient[..., k], (up - down) / (2 * step), atol=1e-6)
    assert np.allclose(kernel.diag(X), np.diag(kernel(X)), rtol=100 * EPS)


# --- what takes it -------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_gaussian_process_finds_the_variances():
    truth = NetworkKernel("erf", weight_variance=6.0, bias_variance=0.5)
    rows = fg.datasets.sphere(150, 3, seed=2)
    drawn = np.random.default_rng(0).multivariate_normal(
        np.zeros(150), 4.0 * truth(rows) + 1e-4 * np.eye(150), method="cholesky"
    )
    start = ConstantKernel(1.0) * NetworkKernel("erf", bias_variance=1.0) + WhiteKernel(1e-2)
    model = GaussianProcessRegressor(start).fit(rows, drawn)
    found = model.log_marginal_likelihood_value_
    assert found > model.log_marginal_likelihood(start.theta) + 10
    assert found > model.log_marginal_likelihood(
        np.log([4.0, 0.5, 6.0, 1e-4])  # constant, bias, weight, noise
    )
    _, gradient = model.log_marginal_likelihood(model.kernel_.theta, eval_gradient=True)
    assert np.all(np.abs(gradient) < 0.05)


def test_a_gaussian_process_predicts(kernel):
    fixed = clone(kernel).set_params(weight_variance_bounds="fixed", bias_variance_bounds="fixed")
    model = GaussianProcessRegressor(fixed, alpha=1e-3).fit(X, Y)
    mean, deviation = model.predict(OTHER, return_std=True)
    between = fixed(OTHER, X)
    inverse = np.linalg.inv(fixed(X) + 1e-3 * np.eye(40))
    assert np.allclose(mean, between @ inverse @ Y, atol=1e-9)
    variance = fixed.diag(OTHER) - np.sum((between @ inverse) * between, axis=1)
    assert np.allclose(deviation, np.sqrt(variance), atol=1e-6)


def test_classification_by_a_gaussian_process():
    kernel = NetworkKernel(depth=2, weight_variance=30.0)
    model = GaussianProcessClassifier(kernel, optimizer=None).fit(X, LABELS)
    assert model.score(X, LABELS) > 0.9


def whole_matrices(monkeypatch):
    """The shapes that the kernel is asked for."""
    shapes = []
    plain = NetworkKernel.__call__

    def call(self, A, B=None, eval_gradient=False):
        K = plain(self, A, B, eval_gradient)
        shapes.append(K.shape)
        return K

    monkeypatch.setattr(NetworkKernel, "__call__", call)
    return shapes


def test_kernel_ridge(monkeypatch):
    shapes = whole_matrices(monkeypatch)
    model = KernelRidge(kernel=NetworkKernel(depth=2), alpha=1e-2).fit(X, Y)
    stored = np.linalg.solve(NetworkKernel(depth=2)(X) + 1e-2 * np.eye(40), Y)
    assert np.allclose(model.dual_coef_, stored, rtol=1e-9)
    assert model.predict(OTHER).shape == (7,)
    assert set(shapes) == {(40, 40), (7, 40)}


def test_kernel_principal_components(monkeypatch):
    shapes = whole_matrices(monkeypatch)
    kernel = NetworkKernel("erf")
    model = KernelPCA(3, kernel=kernel).fit(X)
    centred = np.eye(40) - 1 / 40
    values = np.linalg.eigvalsh(centred @ kernel(X) @ centred)[::-1]
    assert np.allclose(model.eigenvalues_, values[:3])
    assert model.transform(OTHER).shape == (7, 3)
    assert set(shapes) == {(40, 40), (7, 40)}


@pytest.mark.parametrize("machine", [SVC, SVR])
def test_support_vectors(machine, monkeypatch):
    shapes = whole_matrices(monkeypatch)
    kernel = NetworkKernel(depth=2)
    fitted = machine(kernel=kernel).fit(X, LABELS)
    stored = machine(kernel="precomputed").fit(kernel(X), LABELS)
    assert np.allclose(fitted.predict(OTHER), stored.predict(kernel(OTHER, X)))
    assert set(shapes) == {(40, 40), (7, 40)}


def test_nystroem(monkeypatch):
    shapes = whole_matrices(monkeypatch)
    features = Nystroem(NetworkKernel(), n_components=40, random_state=0).fit_transform(X)
    assert np.allclose(features @ features.T, NetworkKernel()(X), atol=1e-8)
    assert set(shapes) == {(40, 40)}


def test_spectral_clustering(monkeypatch):
    shapes = whole_matrices(monkeypatch)
    poles = np.vstack([X[X[:, 0] > 0.6], X[X[:, 0] < -0.6]])
    model = SpectralClustering(2, affinity=NetworkKernel("relu"), random_state=0).fit(poles)
    sides = poles[:, 0] > 0
    assert np.all(model.labels_ == sides) or np.all(model.labels_ != sides)
    assert set(shapes) == {(len(poles), len(poles))}


def test_threads_of_scikit_learn():
    kernel = NetworkKernel("erf")
    shared = pairwise_kernels(X, OTHER, metric=kernel, n_jobs=2)
    assert np.allclose(shared, kernel(X, OTHER), rtol=0, atol=100 * EPS)


def test_a_grid_over_its_parameters():
    grid = {"kernel__depth": [1, 2], "kernel__weight_variance": [0.5, 2.0]}
    search = GridSearchCV(KernelRidge(kernel=NetworkKernel(), alpha=1e-3), grid, cv=2)
    assert set(search.fit(X, Y).best_params_) == set(grid)


# --- what it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"activation": "reul"}, ValueError, ["did you mean 'relu'"]),
        ({"depth": 0}, ValueError, ["depth must be at least 1"]),
        ({"kind": "nnpg"}, ValueError, ["unknown kind 'nnpg'"]),
        ({"weight_variance": -1.0}, ValueError, ["weight_variance must be above 0"]),
        ({"bias_variance": "0"}, TypeError, ["bias_variance must be a number"]),
    ],
)
def test_bad_parameters_when_called(options, error, words, refuses):
    kernel = NetworkKernel(**options)  # scikit-learn wants them unchecked here
    with refuses(error, *words):
        kernel(X)
    with refuses(error, *words):
        kernel.diag(X)


def test_an_unknown_device(refuses):
    with refuses(ValueError, "unknown device 'tpu'"):
        NetworkKernel(device="tpu")(X)


def test_no_derivatives_between_two_sets(refuses):
    with refuses(ValueError, "leave Y out"):
        NetworkKernel()(X, OTHER, eval_gradient=True)
