"""Tables of pandas and polars as arrays; a column that holds no numbers is refused by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["of_pandas", "of_polars", "refuse_columns"]


def refuse_columns(dtypes: Mapping[Any, Any], name: str) -> None:
    """Refuse the first column whose dtype, of NumPy's or pandas's, is of no real numbers."""
    for label, dtype in dtypes.items():
        if dtype.kind not in "iubf":
            raise TypeError(f"{name}: column {label!r} holds {dtype}, not real numbers")


def of_pandas(value: Any, name: str) -> Any:
    """Return a table or column of pandas as an array; nullable and pyarrow's are numbers too.

    What is missing there becomes nan.
    """
    if hasattr(value, "columns"):
        dtypes = list(value.dtypes)
        for label, dtype in zip(value.columns, dtypes, strict=True):  # labels may repeat
            refuse_columns({label: dtype}, name)
    else:
        dtypes = [value.dtype] if hasattr(value, "dtype") else []
    if not dtypes or any(dtype.kind not in "iubf" for dtype in dtypes):
        return value
    if all(isinstance(dtype, np.dtype) for dtype in dtypes) and len(set(dtypes)) == 1:
        return value.to_numpy()
    plain = [getattr(dtype, "numpy_dtype", dtype) for dtype in dtypes]
    single = all(dtype == np.float32 for dtype in plain)
    return value.to_numpy(dtype=np.float32 if single else np.float64, na_value=np.nan)


def of_polars(value: Any, name: str) -> Any:
    """Return a table or column of polars as an array: float32 where all of it is, else float64.

    What is missing becomes nan. Dates are no numbers, though polars would make days of them.
    """
    if not hasattr(value, "to_numpy"):
        raise TypeError(f"{name} is a {type(value).__name__} of polars: pass {name}.collect()")
    table = hasattr(value, "schema")
    dtypes = list(value.schema.values()) if table else [value.dtype]
    if table:
        for label, dtype in value.schema.items():
            if not _is_real(dtype):
                raise TypeError(f"{name}: column {label!r} holds {dtype}, not real numbers")
    elif not _is_real(dtypes[0]):
        return value
    single = dtypes and all(str(dtype) == "Float32" for dtype in dtypes)
    return (value if single else value.cast(float)).to_numpy()


def _is_real(dtype: Any) -> bool:
    """Whether a polars column holds numbers, truth values, or nothing at all."""
    return bool(dtype.is_float() or dtype.is_integer() or str(dtype) in ("Boolean", "Null"))
