"""Arrays and tables of other libraries, by the libraries themselves where they are installed."""

from __future__ import annotations

import numpy as np
import pytest

import fastgram as fg
from fastgram.support.validation import as_rows, as_vectors

X = np.random.default_rng(5).standard_normal((6, 3))
TABLE = {name: X[:, place] for place, name in enumerate("abc")}
BLOCK = np.random.default_rng(6).standard_normal((6, 2))


class Tensor:
    """A tensor of torch's on the CPU, as far as it is read: DLPack, and no `__array__`."""

    def __init__(self, array):
        self._array, self.ndim, self.shape = array, array.ndim, array.shape

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


def of_jax(array):
    jax = pytest.importorskip("jax")
    with jax.enable_x64(array.dtype == np.float64):
        return jax.numpy.asarray(array)


def of_torch(array):
    return pytest.importorskip("torch").from_numpy(array)


def of_dask(array):
    return pytest.importorskip("dask.array").from_array(array, chunks=(4, 2)[: array.ndim])


def of_xarray(array):
    return pytest.importorskip("xarray").DataArray(array)


def of_xarray_on_dask(array):
    return pytest.importorskip("xarray").DataArray(of_dask(array))


def of_polars(array):
    return pytest.importorskip("polars").DataFrame(array)


def of_pandas(array):
    return pytest.importorskip("pandas").DataFrame(array)


def of_dask_tables(array):
    tables = pytest.importorskip("dask.dataframe", exc_type=ImportError)
    return tables.from_pandas(of_pandas(array).rename(columns=str), npartitions=2)


OF = [
    Tensor,
    of_jax,
    of_torch,
    of_dask,
    of_xarray,
    of_xarray_on_dask,
    of_polars,
    of_pandas,
    of_dask_tables,
]


@pytest.mark.parametrize("of", OF)
def test_rows_and_vectors_of_each(of):
    op = fg.GramOperator(X, "relu")
    assert np.array_equal(fg.gram(of(X), network="relu"), fg.gram(X, network="relu"))
    assert np.array_equal(fg.GramOperator(of(X), "relu") @ of(BLOCK), op @ BLOCK)
    single = as_rows(of(X.astype(np.float32)))
    assert single.dtype == np.float32  # JAX's own, unless it is told otherwise
    assert np.array_equal(single, X.astype(np.float32))
    if of is not of_polars:  # which has no complex numbers, and pandas's no way around a table
        with pytest.raises(TypeError):
            as_rows(of(X + 1j))


@pytest.mark.parametrize("of", [of_jax, of_torch, of_dask, of_xarray])
def test_a_matrix_of_each(of):
    K = X @ X.T + np.eye(6)
    assert fg.extreme_eigenvalues(of(K)).smallest == fg.extreme_eigenvalues(K).smallest
    answer = fg.solve(of(K), of(BLOCK))
    assert np.array_equal(answer.x, fg.solve(K, BLOCK).x)


# --- JAX ------------------------------------------------------------------------------------------


def test_numbers_that_numpy_has_not():
    jax = pytest.importorskip("jax")
    for name in ("bfloat16", "float16", "float8_e5m2"):
        rows = as_rows(jax.numpy.asarray([[1.5, -2.0]], dtype=name))
        assert rows.dtype == np.float64
        assert np.array_equal(rows, [[1.5, -2.0]])
        assert np.array_equal(as_vectors(jax.numpy.ones(2, dtype=name)), [1.0, 1.0])


@pytest.mark.parametrize("by", ["jit", "grad", "vmap"])
def test_what_jax_traces_has_no_values(by, refuses):
    jax = pytest.importorskip("jax")
    traced = getattr(jax, by)(lambda rows: fg.gram(rows, network="relu").sum())
    with refuses(TypeError, "X is traced by JAX", "jax.pure_callback"):
        traced(jax.numpy.ones((2, 2, 2) if by == "vmap" else (2, 2)))


def test_a_callback_of_jax():
    jax = pytest.importorskip("jax")
    rows = jax.numpy.asarray(X)
    shape = jax.ShapeDtypeStruct((6, 6), np.float32)

    def entries(rows):
        return fg.gram(rows, network="relu", dtype="float32")

    found = jax.jit(lambda rows: jax.pure_callback(entries, shape, rows))(rows)
    assert np.array_equal(found, entries(np.asarray(rows)))


# --- Dask and xarray ------------------------------------------------------------------------------


def test_what_dask_knows_beforehand_is_refused_beforehand(refuses):
    array = pytest.importorskip("dask.array")

    def never(block):
        raise AssertionError("computed")

    words = array.ones((4, 2), chunks=2).map_blocks(never, dtype="U3", meta=np.empty((0, 0), "U3"))
    with refuses(TypeError, "X must hold numbers, not <U3"):
        fg.gram(words, network="relu")
    tables = pytest.importorskip("dask.dataframe", exc_type=ImportError)
    meta = {"a": "f8", "species": "str"}
    wide = tables.from_map(never, [0, 1], meta=meta)
    with refuses(TypeError, "X: column 'species' holds", "not real numbers"):
        fg.gram(wide, network="relu")


def test_columns_of_tables_of_dask(refuses):
    tables = of_dask_tables(X)
    assert np.allclose(fg.solve(np.eye(len(X)), tables["0"]).x, X[:, 0])
    assert np.allclose(fg.solve(np.eye(len(X)), tables.index).x, np.arange(len(X)))
    with refuses(TypeError, "y must hold numbers, not string"):
        fg.solve(np.eye(len(X)), tables["0"].astype("string"))


def test_errors_that_say_nothing_have_their_name(refuses):
    class Silent:
        def __array__(self, *arguments, **options):
            raise TypeError

    with refuses(TypeError, "X cannot be read: TypeError"):
        as_rows(Silent())


def test_rows_of_unknown_number():
    array = of_dask(X)
    chosen = X[X[:, 0] > 0.0]
    assert np.array_equal(fg.gram(array[array[:, 0] > 0.0]), fg.gram(chosen))


def test_what_is_no_array_yet(refuses):
    dask = pytest.importorskip("dask")
    with refuses(TypeError, "of Dask: pass X.compute()"):
        fg.gram(dask.delayed(lambda: X)(), network="relu")


def test_a_data_set_of_xarray(refuses):
    xarray = pytest.importorskip("xarray")
    with refuses(TypeError, "X is a Dataset of xarray: pass a DataArray"):
        fg.gram(xarray.Dataset({"a": ("samples", [1.0, 2.0])}), network="relu")
    words = xarray.DataArray(
        np.array([["a", 1]], dtype=object), dims=("rows", "columns"), coords={"columns": ["p", "q"]}
    )
    with refuses(TypeError, "X must hold real numbers, not object"):
        fg.gram(words, network="relu")


# --- polars ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def polars():
    return pytest.importorskip("polars")


def test_columns_of_polars_that_are_numbers(polars):
    table = polars.DataFrame({"a": [1.0, 2.0], "b": [3, 4], "c": [True, False]})
    plain = np.array([[1.0, 3.0, 1.0], [2.0, 4.0, 0.0]])
    assert np.array_equal(as_rows(table), plain)
    assert as_rows(table.cast({"a": polars.Float32})).dtype == np.float64
    assert np.array_equal(as_vectors(table["b"]), plain[:, 1])


@pytest.mark.parametrize("kind", ["String", "Date", "Duration", "Decimal", "Categorical", "List"])
def test_other_columns_of_polars_are_refused_by_name(kind, polars, refuses):
    column = polars.Series("species", ["1", "2"])
    if kind != "String":
        column = {
            "Categorical": lambda: column.cast(polars.Categorical),
            "Decimal": lambda: column.cast(polars.Decimal(10, 2)),
            "List": lambda: column.str.split("-"),
        }.get(kind, lambda: column.cast(polars.Int32).cast(getattr(polars, kind)))()
    for table in (polars.DataFrame({"a": [1.0, 2.0]}).with_columns(column), column.to_frame()):
        with refuses(TypeError, f"X: column 'species' holds {kind}", "not real numbers"):
            fg.gram(table, network="relu")


@pytest.mark.parametrize("values", [[0.5, None], [1, None], [True, None]])
def test_what_polars_misses(values, polars, refuses):
    with refuses(ValueError, "X is not finite: row 1, column 0 is nan"):
        as_rows(polars.DataFrame({"a": values}))


def test_what_polars_has_not_collected(polars, refuses):
    with refuses(TypeError, "X is a LazyFrame of polars: pass X.collect()"):
        fg.gram(polars.DataFrame(TABLE).lazy(), network="relu")
