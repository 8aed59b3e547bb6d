"""Values of other libraries as what NumPy reads, or a word on what to pass instead.

Rows are held in memory, so what is lazy is computed when it comes in: once, and by whatever
scheduler its library would take.
"""

from __future__ import annotations

from typing import Any

from fastgram.support.neighbours.tables import of_pandas, of_polars, refuse_columns

__all__ = ["readable"]


def readable(value: Any, name: str) -> Any:
    """Return a value as an array, or as what `numpy.asarray` makes one of; refuse the rest.

    Parameters
    ----------
    value : object
        Of any library.
    name : str
        The argument's, for the error.

    Raises
    ------
    TypeError
        If a table has a column that holds no real numbers, or if the value stands for something
        that is not there yet.
    """
    library = type(value).__module__.partition(".")[0]
    if library == "pandas":
        return of_pandas(value, name)
    if library == "polars":
        return of_polars(value, name)
    if library == "dask":
        return readable(_computed(value, name), name)
    if library == "xarray":
        return readable(_of_xarray(value, name), name)
    if any(base.__name__ == "Tracer" for base in type(value).__mro__):
        raise TypeError(
            f"{name} is traced by JAX (jit, grad or vmap) and has no values: call fastgram outside,"
            " or through jax.pure_callback"
        )
    return value


def _computed(value: Any, name: str) -> Any:
    """Return what a Dask array or table holds."""
    kind = type(value)  # a Delayed has every attribute, its class has not
    if hasattr(kind, "dtypes") and value.ndim == 2:  # a column of it has dtypes too, and but one
        refuse_columns(dict(value.dtypes), name)
    elif not hasattr(kind, "dtype"):
        raise TypeError(f"{name} is a {kind.__name__} of Dask: pass {name}.compute()")
    elif value.dtype.kind not in "iubfc":
        raise TypeError(f"{name} must hold numbers, not {value.dtype}")
    return value.compute()


def _of_xarray(value: Any, name: str) -> Any:
    """Return the array of a DataArray: NumPy's, or the one of another library that it wraps."""
    if not hasattr(type(value), "data"):
        raise TypeError(
            f"{name} is a {type(value).__name__} of xarray: pass a DataArray, samples by features"
        )
    return value.data
