"""Nothing becomes a number, or stops being one, in silence."""

from __future__ import annotations

import decimal
import fractions

import numpy as np
import pytest

import fastgram as fg

X = fg.datasets.sphere(6, 3, seed=0)


# --- out= -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "held", ["int64", "int8", "uint64", "bool", "U32", "S32", "O", "M8[s]", "m8[s]", "f8,f8"]
)
def test_out_that_holds_no_floats(held, dtype, refuses):
    out = np.zeros((6, 6), held)
    before = out.copy()
    with refuses(TypeError, "out must hold real numbers in floating point, not"):
        fg.gram(X, network="tanh", out=out, dtype=dtype)
    assert np.array_equal(out, before)


@pytest.mark.parametrize("held", ["f8", "f4", "f2", "longdouble", "c16", "c8", ">f8"])
def test_out_of_the_same_kind(held, dtype):
    out = np.zeros((6, 6), held)
    assert fg.gram(X, network="tanh", out=out, dtype=dtype) is out
    assert np.array_equal(out, fg.gram(X, network="tanh", dtype=dtype).astype(held))


class Stored:
    """An array of another library."""

    def __init__(self, dtype):
        self.values = np.zeros((6, 6))
        self.shape, self.dtype = (6, 6), dtype

    def __setitem__(self, key, block):
        self.values[key] = block


def test_out_of_another_library(refuses):
    out = Stored("f8")
    assert np.array_equal(fg.gram(X, network="tanh", out=out).values, fg.gram(X, network="tanh"))
    fg.gram(X, network="tanh", out=Stored("a dtype of its own"))
    with refuses(TypeError, "out must hold"):
        fg.gram(X, network="tanh", out=Stored("int32"))


def test_out_that_cannot_be_written_to(refuses):
    out = np.zeros((6, 6))
    out.flags.writeable = False
    with refuses(ValueError, "out is read-only"):
        fg.gram(X, network="tanh", out=out)
    with refuses(ValueError, "out is masked"):
        fg.gram(X, network="tanh", out=np.ma.masked_equal(np.zeros((6, 6)), 0.0))


# --- masks ----------------------------------------------------------------------------------------


def masked(shape, *place):
    values = np.ma.array(np.ones(shape) + np.arange(shape[-1]))
    values[place] = np.ma.masked
    return values


ROWS = {
    "gram": lambda X: fg.gram(X, network="tanh"),
    "gram, Y": lambda Y: fg.gram(np.ones((2, Y.shape[1])), Y, "tanh"),
    "operator": lambda X: fg.GramOperator(X, "tanh"),
    "exact": lambda X: fg.exact_extreme_eigenvalues(X, "relu"),
    "separation": fg.datasets.separation,
    "smoothed": lambda X: fg.datasets.smoothed(X, 0.1, seed=0),
}


@pytest.mark.parametrize("use", ROWS.values(), ids=ROWS)
def test_masked_rows(use, refuses):
    with refuses(ValueError, "is masked: row 2, column 1"):
        use(masked((4, 3), 2, 1))
    with refuses(ValueError, "is masked: row 1, column 0"):
        use(masked((4, 3), 1))


def test_lists_of_masked_rows(refuses):
    rows = masked((4, 3), 2, 1)
    with refuses(ValueError, "X is masked: row 2, column 1"):
        fg.gram(list(rows), network="tanh")
    with refuses(ValueError, "X is masked: row 2, column 1"):
        fg.gram(tuple(rows), network="tanh")


@pytest.mark.parametrize("solve", [fg.extreme_eigenvalues, fg.spectral_density])
def test_masked_matrices(solve, refuses):
    with refuses(ValueError, "the matrix is masked: row 0, column 3"):
        solve(masked((4, 4), 0, 3))


def test_masked_vectors(refuses, device):
    op = fg.GramOperator(X, "tanh", device=device)
    v, V = masked((6,), 4), masked((6, 2), 4, 1)
    for multiply in (op.matvec, op.rmatvec, op.dot, op.__matmul__, op.__rmatmul__, op.__mul__):
        with refuses(ValueError, "the vector is masked: row 4"):
            multiply(v)
    for multiply in (op.matmat, op.rmatmat, op.dot, op.__matmul__, op.__mul__):
        with refuses(ValueError, "the vector is masked: row 4, column 1"):
            multiply(V)


def test_masked_variances(refuses):
    with refuses(ValueError, "rho is masked: row 1"):
        fg.dual("relu", masked((3,), 1) / 9)


def test_a_mask_of_nothing():
    rows = np.ma.array(X, mask=False)
    assert np.array_equal(fg.gram(rows, network="tanh"), fg.gram(X, network="tanh"))
    assert np.array_equal(fg.gram(list(rows), network="tanh"), fg.gram(X, network="tanh"))
    op = fg.GramOperator(rows, "tanh")
    assert np.array_equal(op @ rows, op @ X)
    fg.extreme_eigenvalues(np.ma.array(np.eye(3)))


# --- vectors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [["1"] * 6, [None] * 6, [object()] * 6, np.zeros(6, "M8[s]")])
def test_vectors_of_no_numbers(wrong, refuses):
    op = fg.GramOperator(X, "tanh")
    for multiply in (op.matvec, op.dot, op.__matmul__, op.__rmatmul__):
        with refuses(TypeError, "the vector must hold numbers"):
            multiply(wrong)


# --- pandas and others ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pandas():
    return pytest.importorskip("pandas")


def frame_of(pandas, kinds):
    columns = [np.arange(4) % 2 + k for k in range(len(kinds))]
    names = "abcdefgh"[: len(kinds)]
    frame = pandas.DataFrame(dict(zip(names, columns, strict=True)))
    return frame.astype(dict(zip(names, kinds, strict=True)))


@pytest.mark.parametrize(
    "kinds",
    [
        ["float64", "float64"],
        ["float32", "float32"],
        ["int64", "float32"],
        ["Int64", "Float64"],
        ["Int8", "Int8"],
        ["Float32", "Float32"],
        ["boolean", "UInt16", "float64"],
        ["bool", "float64"],
        ["int64[pyarrow]", "double[pyarrow]"],
        ["float[pyarrow]"],
        ["Sparse[float64]", "float64"],
    ],
    ids=" ".join,
)
def test_columns_of_pandas_that_are_numbers(kinds, pandas):
    if any("pyarrow" in kind for kind in kinds):
        pytest.importorskip("pyarrow", exc_type=ImportError)  # or too new for this NumPy
    frame = frame_of(pandas, kinds)
    plain = np.stack([frame[name].to_numpy(dtype=np.float64) for name in frame], axis=1)
    expected = fg.gram(plain, network="relu")
    assert np.array_equal(fg.gram(frame, network="relu"), expected)
    assert np.array_equal(fg.GramOperator(frame, "relu").dense(), expected)
    column = frame.iloc[:, 0]
    op = fg.GramOperator(plain, "relu")
    assert np.array_equal(op @ column, op @ plain[:, 0])
    assert np.array_equal(fg.dual("tanh", 0.5, column), fg.dual("tanh", 0.5, plain[:, 0]))


@pytest.mark.parametrize("kind", ["object", "string", "category", "datetime64[ns]", "complex128"])
def test_other_columns_are_refused_by_name(kind, pandas, refuses):
    frame = frame_of(pandas, ["float64", "float64"])
    frame["species"] = frame["a"].astype("int64").astype(kind)
    with refuses(TypeError, "X: column 'species' holds", "not real numbers"):
        fg.gram(frame, network="relu")


@pytest.mark.parametrize("kind", ["Int64", "Float64", "int64[pyarrow]", "float64"])
def test_what_is_missing_in_a_table(kind, pandas, refuses):
    if "pyarrow" in kind:
        pytest.importorskip("pyarrow", exc_type=ImportError)  # or too new for this NumPy
    frame = frame_of(pandas, ["float64", "int64"]).astype({"b": kind})
    frame.loc[2, "b"] = None
    with refuses(ValueError, "X is not finite: row 2, column 1 is nan"):
        fg.GramOperator(frame, "relu")


# --- numbers and flags ----------------------------------------------------------------------------

NETWORK_NUMBERS = {"depth": 2, "width": 3, "weight_variance": 2.0, "bias_variance": 0.5, "seed": 4}


@pytest.mark.parametrize("name", NETWORK_NUMBERS)
def test_numbers_of_numpy(name):
    value = NETWORK_NUMBERS[name]
    plain = fg.Network("tanh", **{name: value})
    kinds = [np.int8, np.uint64, np.array] if isinstance(value, int) else [np.float32, np.float64]
    for kind in kinds:
        network = fg.Network("tanh", **{name: kind(value)})
        assert network == plain
        assert type(getattr(network, name)) is type(value)


def test_other_numbers():
    half = fg.Network("tanh", weight_variance=0.5)
    for value in (decimal.Decimal("0.5"), fractions.Fraction(1, 2), np.array(0.5), np.float16(0.5)):
        assert fg.Network("tanh", weight_variance=value) == half
    assert fg.Network("tanh", weight_variance=np.int64(1)) == fg.Network("tanh")
    assert fg.get_activation("elu", alpha=np.float32(0.5)) is fg.get_activation("elu(alpha=0.5)")


@pytest.mark.parametrize(
    "wrong",
    ["2", b"2", True, np.True_, [2.0], np.ones(1), None, 2j, np.complex128(2), np.ma.masked, "nan"],
    ids=repr,
)
def test_what_is_no_number(wrong, refuses):
    A = np.eye(3)
    for call in (
        lambda: fg.Network("tanh", weight_variance=wrong),
        lambda: fg.Network("tanh", bias_variance=wrong),
        lambda: fg.get_activation("elu", alpha=wrong),
        lambda: fg.extreme_eigenvalues(A, rtol=wrong),
        lambda: fg.extreme_eigenvalues(A, confidence=wrong),
        lambda: fg.spectral_density(A, confidence=wrong),
        lambda: fg.datasets.smoothed(A, wrong, seed=0),
    ):
        with refuses(TypeError, "must be a number"):
            call()


@pytest.mark.parametrize("wrong", ["012", b"012", "0", ["0", "1"], [True]])
def test_what_is_no_list_of_numbers(wrong, refuses):
    with refuses(TypeError, "coefficients must be a list of numbers"):
        fg.get_activation("polynomial", coefficients=wrong)
    with refuses(TypeError, "kinks must be numbers"):
        fg.Activation("mine", np.sin, np.cos, wrong)


FLAGS = {
    "normalize": lambda flag: fg.Network("tanh", normalize=flag),
    "vectors": lambda flag: fg.extreme_eigenvalues(np.eye(3), vectors=flag),
    "derivative": lambda flag: fg.dual("tanh", 0.5, derivative=flag),
    "flat": lambda flag: fg.Activation("one", np.ones_like, np.zeros_like, flat=flag),
}
PROGRESS = {
    "gram": lambda flag: fg.gram(X, network="tanh", progress=flag),
    "extremes": lambda flag: fg.extreme_eigenvalues(np.eye(3), progress=flag),
    "density": lambda flag: fg.spectral_density(np.eye(3), progress=flag),
    "exact": lambda flag: fg.exact_extreme_eigenvalues(X, "relu", progress=flag),
}


@pytest.mark.parametrize("use", FLAGS.values(), ids=FLAGS)
def test_flags_of_numpy(use):
    for flag in (False, True):
        assert use(np.bool_(flag)) == use(flag)


@pytest.mark.parametrize("name", [*FLAGS, *PROGRESS])
@pytest.mark.parametrize("wrong", ["yes", "", 1, 0, None, np.array(True), [True]], ids=repr)
def test_what_is_no_flag(name, wrong, refuses):
    flag = "progress" if name in PROGRESS else name
    with refuses(TypeError, f"{flag} must be True or False"):
        (FLAGS | PROGRESS)[name](wrong)


@pytest.mark.parametrize("use", PROGRESS.values(), ids=PROGRESS)
def test_progress_may_be_numpys(use):
    use(np.False_)


def test_the_command_line_refuses_text_in_activations(refused):
    assert "alpha must be a number" in refused("spectrum", "-a", "elu(alpha='2')")
    assert "list of numbers" in refused("spectrum", "-a", "polynomial(coefficients='012')")
