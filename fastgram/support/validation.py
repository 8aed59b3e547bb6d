"""One clear line for bad input, before any long work starts."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from fastgram.support.neighbours.reading import readable

__all__ = [
    "as_choice",
    "as_dtype",
    "as_flag",
    "as_integer",
    "as_number",
    "as_numbers",
    "as_real_array",
    "as_rows",
    "as_vectors",
    "on_gpu",
    "refuse_overflow",
    "suggestion",
]

Word = TypeVar("Word", bound=str)

# What `float` would make a number of in silence.
_NO_NUMBERS = (str, bytes, bytearray, bool, np.bool_, np.complexfloating, np.ma.MaskedArray)
_DLPACK_CPU = 1  # what DLPack calls memory that the processor reads


def suggestion(word: str, known: Sequence[str]) -> str:
    """Return "; did you mean …? (known: …)" for an unknown word."""
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{hint} (known: {', '.join(known)})"


def as_choice(role: str, value: Any, known: Sequence[Word]) -> Word:
    """Return `value` if it is one of the known words."""
    if not isinstance(value, str):
        raise TypeError(f"{role} must be one of {', '.join(known)}, not {type(value).__name__}")
    if value not in known:
        raise ValueError(f"unknown {role} {value!r}{suggestion(value, known)}")
    return known[known.index(value)]


def as_dtype(value: npt.DTypeLike) -> np.dtype[np.floating]:
    """Return float32 or float64 as a dtype."""
    try:
        dtype = np.dtype(value)
    except TypeError:
        dtype = np.dtype(object)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        word = value if isinstance(value, str) else getattr(value, "__name__", str(value))
        raise ValueError(f"unknown dtype {word!r}{suggestion(str(word), ('float32', 'float64'))}")
    return np.dtype(np.float32) if dtype == np.float32 else np.dtype(np.float64)


def as_flag(role: str, value: Any) -> bool:
    """Return True or False, NumPy's too; what is merely true or false is refused."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{role} must be True or False, not {value!r}")
    return bool(value)


def as_integer(role: str, value: Any, least: int) -> int:
    """Return an integer at least `least`."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{role} must be an integer, not a bool")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{role} must be an integer, not {value!r}") from None
    if number < least:
        raise ValueError(f"{role} must be at least {least}, not {number}")
    return number


def as_number(
    role: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
) -> float:
    """Return a finite float within bounds; text and bools are no numbers."""
    try:
        if isinstance(value, _NO_NUMBERS) or np.ndim(value):
            raise TypeError
        number = float(value.item() if isinstance(value, np.ndarray) else value)
    except (TypeError, ValueError):
        raise TypeError(f"{role} must be a number, not {value!r}") from None
    except OverflowError:
        raise ValueError(f"{role} must be finite in float64, not {value!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"{role} must be finite, not {number}")
    if above is not None and number <= above:
        raise ValueError(f"{role} must be above {above:g}, not {number:g}")
    if least is not None and number < least:
        raise ValueError(f"{role} must be at least {least:g}, not {number:g}")
    if below is not None and number >= below:
        raise ValueError(f"{role} must be below {below:g}, not {number:g}")
    return number


def as_numbers(role: str, values: Any, meant: str) -> tuple[float, ...]:
    """Return a sequence of finite numbers as a tuple; text is no sequence of digits.

    `meant` says in the error what it should have been.
    """
    try:
        if isinstance(values, (str, bytes)):
            raise TypeError
        return tuple(as_number(role, value) for value in values)
    except TypeError:
        raise TypeError(f"{role} must be {meant}, not {values!r}") from None


def as_rows(X: Any, name: str = "X", *, own: bool = False) -> npt.NDArray[np.floating]:
    """Return `X` as a two-dimensional float array of finite rows.

    float32 and float64 arrays, read-only and memory-mapped ones too, pass without a copy;
    integers and booleans become float64. With `own` the array is the library's alone.
    """
    rows = as_real_array(X, name, own=own)
    if rows.ndim != 2:
        raise ValueError(
            f"{name} must be two-dimensional (samples, features), not of shape {rows.shape}"
        )
    if 0 in rows.shape:
        raise ValueError(f"{name} is empty: shape {rows.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        suspects = np.flatnonzero(~np.isfinite(rows.sum(axis=1)))
    for row in suspects:  # a sum may overflow where every entry is finite
        bad = np.flatnonzero(~np.isfinite(rows[row]))
        if bad.size:
            value = rows[row, bad[0]]
            raise ValueError(f"{name} is not finite: row {row}, column {bad[0]} is {value}")
    return rows


def refuse_overflow(squares: npt.NDArray[np.float64], name: str) -> None:
    """Refuse rows of which a squared norm, of (n,), is not finite; `name` is the argument's."""
    overflows = np.flatnonzero(~np.isfinite(squares))
    if overflows.size:
        raise ValueError(
            f"{name}: the squared norm of row {overflows[0]} overflows; scale the rows"
        )


def as_real_array(value: Any, name: str, *, own: bool = False) -> npt.NDArray[np.floating]:
    """Return a real float array of any shape; refuse the rest in words.

    What DLPack hands over of another library's array is read where it is. With `own` the array is
    nobody else's to write to: it is copied, once, unless it is new anyway.
    """
    array = _as_numbers(value, name)
    if array.dtype.kind == "c":
        raise TypeError(f"{name} is complex: it must be real")
    if array.dtype.kind not in "iubf":
        raise TypeError(f"{name} must hold real numbers, not {array.dtype}")
    if array.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        return array.astype(np.float64)
    if own and not isinstance(value, (list, tuple)):
        return np.array(array)
    return array


def as_vectors(value: Any) -> npt.NDArray[Any]:
    """Return vectors for an operator to multiply, as an array of numbers, real or complex.

    Vectors may hold any values, and their shapes are left to scipy.
    """
    array = _as_numbers(value, "the vector")
    if array.dtype.kind not in "iubfc":
        raise TypeError(f"the vector must hold numbers, not {array.dtype}")
    return array


def _as_numbers(value: Any, name: str) -> npt.NDArray[Any]:
    """Return an array of any dtype that keeps what the value says, or refuse it."""
    if isinstance(value, (str, bytes)):
        raise TypeError(f"{name} must be an array of numbers, not the string {value!r}")
    value = readable(value, name)
    if hasattr(value, "tocsr") or hasattr(value, "todense"):
        raise TypeError(f"{name} is sparse: pass a dense array, {name}.toarray()")
    if on_gpu(value):
        raise TypeError(
            f"{name} is on a GPU: pass device='gpu' where there is such an argument, or a copy in"
            " the computer's own memory"
        )
    try:
        _refuse_masked(value, name)
        array = _as_numpy(value)
    except ValueError as error:
        if isinstance(error, _MaskedError):
            raise ValueError(str(error)) from None
        raise ValueError(f"{name} is ragged: its rows have different lengths") from None
    except (RuntimeError, TypeError) as error:  # a tensor that keeps gradients, say
        words = str(error) or type(error).__name__
        raise TypeError(f"{name} cannot be read: {words.splitlines()[0]}") from None
    if array.dtype.kind == "O" and hasattr(value, "columns"):  # a table of another library's
        for label in value.columns:
            column = np.asarray(value[label])
            if column.dtype.kind not in "iubf":
                raise TypeError(f"{name}: column {label!r} holds {column.dtype}, not real numbers")
    if array.dtype.kind == "V" and np.can_cast(array.dtype, np.float64):
        return array.astype(np.float64)  # bfloat16 and its like, which NumPy has not
    return array


class _MaskedError(ValueError):
    """Says which cell is masked."""


def _refuse_masked(value: Any, name: str) -> None:
    """Refuse masked arrays, and lists of them, in which something is masked."""
    if isinstance(value, (list, tuple)):
        if not any(isinstance(item, np.ma.MaskedArray) for item in value):
            return  # not looked into further: NumPy reads the mask of no list
        value = np.ma.array(value)
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        place = [int(index) for index in np.argwhere(np.ma.getmaskarray(value))[0]]
        words = [f"{word} {index}" for word, index in zip(("row", "column"), place, strict=False)]
        where = ", ".join(words) if len(place) <= 2 else f"entry {tuple(place)}"
        raise _MaskedError(f"{name} is masked: {where}; fill it, or leave the row out")


def on_gpu(value: Any) -> bool:
    """Whether this is an array, of any library, in memory that the processor cannot read."""
    if isinstance(value, np.ndarray) or not hasattr(value, "__dlpack_device__"):
        return False
    return bool(value.__dlpack_device__()[0] != _DLPACK_CPU)


def _as_numpy(value: Any) -> npt.NDArray[Any]:
    if not isinstance(value, np.ndarray) and hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError):  # a dtype or a layout that DLPack has not
            pass
    return np.asarray(value)
