"""A device that is not the CPU, for tests on machines that have no other.

Its arrays hold NumPy's in fact, and are as strict as those of a GPU and stricter: they mix with no
NumPy array, nothing turns them into one but `get`, and reductions give 0-d arrays. Its namespace
`xp` has the names that the library uses, all of them CuPy's too. What goes to or from the device
is counted: see `transfers`.
"""

import functools
import threading
from contextlib import contextmanager

import numpy as np

from fastgram.devices.gpu import Gpu

__all__ = ["FUNCTIONS", "LINALG", "OtherArray", "OtherDevice", "kernel", "transfers", "xp"]

_watching = []  # lists that each transfer is added to


@contextmanager
def transfers():
    """Collect what goes to or from the device in a list of ("put" or "get", shape)."""
    seen = []
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)


def _note(way, shape):
    for seen in _watching:
        seen.append((way, shape))


def _unwrapped(value):
    """Return what a function of NumPy takes instead; a NumPy array is refused."""
    if isinstance(value, OtherArray):
        return value._values
    if isinstance(value, np.ndarray):
        raise TypeError("a NumPy array where one of the device is wanted: put it there")
    if isinstance(value, (list, tuple)):
        return type(value)(_unwrapped(item) for item in value)
    return value


def _wrapped(value):
    if isinstance(value, (np.ndarray, np.generic)):
        return OtherArray(np.asarray(value))
    if isinstance(value, tuple):
        return tuple(_wrapped(item) for item in value)
    return value


def kernel(function):
    """Return a function of NumPy arrays as one of the device's, as if it were compiled for it."""

    @functools.wraps(function, updated=())
    def on_device(*arguments, **options):
        options = {name: _unwrapped(option) for name, option in options.items()}
        return _wrapped(function(*_unwrapped(arguments), **options))

    return on_device


class OtherArray:
    """An array of the device."""

    __array_ufunc__ = None  # operators of NumPy arrays leave it to ours, which refuse them

    def __init__(self, values):
        self._values = values

    def __dlpack_device__(self):
        return 2, 0  # CUDA's, as DLPack numbers kinds of memory

    def __array__(self, *arguments, **options):
        raise TypeError("an array of the device does not turn into NumPy's: get it")

    def __array_function__(self, function, types, arguments, options):
        raise TypeError(f"numpy.{function.__name__} on an array of the device: use its xp")

    def __getattr__(self, name):
        if name not in _ATTRIBUTES.split():
            raise AttributeError(f"arrays of the test device have no {name!r}")
        found = getattr(self._values, name)
        return kernel(found) if callable(found) else _wrapped(found)

    def __len__(self):
        return len(self._values)

    def __getitem__(self, key):
        return _wrapped(self._values[_unwrapped(key)])

    def __setitem__(self, key, value):
        self._values[_unwrapped(key)] = _unwrapped(value)

    def __repr__(self):
        return f"OtherArray(shape={self._values.shape}, dtype={self._values.dtype})"

    def _number(self):
        _note("get", self._values.shape)
        return self._values.item()

    def __float__(self):
        return float(self._number())

    def __int__(self):
        return int(self._number())

    def __bool__(self):
        return bool(self._number())


# Of the attributes of an array, those that are lent; `item` and `tolist` would be transfers.
_ATTRIBUTES = (
    "T all any argmax argmin astype conj copy diagonal dot dtype fill flags itemsize max mean min"
    " nbytes ndim ravel reshape shape size strides sum swapaxes trace transpose view"
)
_OPERATORS = (
    "abs add and eq floordiv ge gt iadd iand imatmul imul invert ior isub itruediv le lt matmul"
    " mod mul ne neg or pos pow radd rand rfloordiv rmatmul rmod rmul ror rpow rsub rtruediv sub"
    " truediv xor"
)


def _operator(name):
    def apply(self, *others):
        result = getattr(self._values, name)(*_unwrapped(others))
        # what worked in place is the same array still
        return self if result is self._values else _wrapped(result)

    return apply


for _name in _OPERATORS.split():
    setattr(OtherArray, f"__{_name}__", _operator(f"__{_name}__"))


def _empty(function):
    """Memory that nobody wrote to: NaN where there is one."""

    @functools.wraps(function)
    def create(*arguments, **options):
        values = function(*_unwrapped(arguments), **options)
        values.fill(np.nan if values.dtype.kind == "f" else 85)
        return OtherArray(values)

    return create


def _asarray(value, dtype=None):
    """Take an array of the device, or a number; a NumPy array needs `put`, which is counted."""
    return _wrapped(np.asarray(_unwrapped(value), dtype=dtype))


# What the library may use of a namespace: CuPy has these, with NumPy's meaning.
FUNCTIONS = (
    "abs absolute add all any arange argmax argmin argsort array_equal ascontiguousarray"
    " asfortranarray broadcast_to ceil clip concatenate copysign copyto cumsum diag diagonal"
    " divide dot einsum exp eye fill_diagonal flatnonzero floor full full_like hstack isfinite"
    " isnan linspace log matmul max maximum mean min minimum moveaxis multiply negative nonzero"
    " ones ones_like outer prod ravel repeat reshape rint sign sqrt square squeeze stack"
    " subtract sum swapaxes take tile trace transpose tri tril triu vstack where zeros"
    " zeros_like"
)
LINALG = ("norm", "qr")


class _Namespace:
    """Functions of arrays of the device: `xp` of the library."""

    float32, float64 = np.float32, np.float64
    int32, int64, uint8, uint32, uint64 = np.int32, np.int64, np.uint8, np.uint32, np.uint64
    bool_ = np.bool_
    inf, nan, newaxis, pi = np.inf, np.nan, None, np.pi
    dtype, finfo = np.dtype, np.finfo
    ndarray = OtherArray
    asarray = staticmethod(_asarray)
    empty = staticmethod(_empty(np.empty))
    empty_like = staticmethod(_empty(np.empty_like))

    class linalg:
        """Those of linear algebra."""


for _name in FUNCTIONS.split():
    setattr(_Namespace, _name, staticmethod(kernel(getattr(np, _name))))
for _name in LINALG:
    setattr(_Namespace.linalg, _name, staticmethod(kernel(getattr(np.linalg, _name))))

xp = _Namespace()


class OtherDevice(Gpu):
    """The device, as `fastgram.devices.device` describes one, but for its kernels.

    Parameters
    ----------
    free : int
        What it says of its free memory.
    """

    name = "other"
    tile = 16

    def __init__(self, free=2**30, kernels=None):
        super().__init__(xp, kernels)
        self._free = free
        self._inside = threading.local()

    @contextmanager
    def context(self):
        """Let the thread move arrays: outside of it, `put` and `get` refuse to."""
        self._inside.depth = getattr(self._inside, "depth", 0) + 1
        try:
            yield
        finally:
            self._inside.depth -= 1

    def finish(self):
        """Nothing is ever under way."""

    def free_memory(self):
        """Return what the test said."""
        return self._free

    def orthonormal(self, block):
        """Return orthonormal columns and their triangle, by NumPy where there are no kernels."""
        return kernel(np.linalg.qr)(block) if self.kernels is None else super().orthonormal(block)

    def owns(self, value):
        """Whether this is an array of the device."""
        return isinstance(value, OtherArray)

    def put(self, array):
        """Return a copy on the device of a NumPy array; one that is there already stays."""
        self._require_context()
        if self.owns(array):
            return array
        assert isinstance(array, np.ndarray), f"{type(array)} is no array of the host"
        _note("put", array.shape)
        return OtherArray(array.copy(order="K"))

    def get(self, array):
        """Return a copy on the host of an array of the device."""
        self._require_context()
        assert self.owns(array), f"{type(array)} is no array of the device"
        _note("get", array.shape)
        return array._values.copy()

    def _require_context(self):
        assert getattr(self._inside, "depth", 0), "outside of the device's context"
