"""gram(): a Gram matrix as an array."""

from __future__ import annotations

from typing import Any, Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt

from fastgram.devices.registry import as_devices, host_rows
from fastgram.matrix.consumers import Store
from fastgram.matrix.divided.on_workers import on_devices
from fastgram.matrix.entries import as_columns, blocks_of
from fastgram.matrix.traversal import store
from fastgram.network.activations import Activation
from fastgram.network.network import KINDS, Network, as_network, refuse_as_rows
from fastgram.support.literals import DaskClient, DeviceName, Kind
from fastgram.support.progress import late_stage, progress_bar
from fastgram.support.threads import one_blas_thread
from fastgram.support.validation import as_choice, as_dtype, as_flag, as_rows

__all__ = ["gram"]

Out = TypeVar("Out")


# What comes back has the dtype of the computation, or is `out`; where rows are on a GPU, and for
# other arrays of no known type, it is of no known type either.
@overload
def gram(
    X: npt.ArrayLike,
    Y: npt.ArrayLike | None = None,
    network: str | Activation | Network = "relu",
    *,
    kind: Kind = "gradient",
    device: DeviceName | DaskClient = "cpu",
    dtype: Literal["float64"] = "float64",
    out: None = None,
    progress: bool = False,
) -> npt.NDArray[np.float64]: ...


@overload
def gram(
    X: npt.ArrayLike,
    Y: npt.ArrayLike | None = None,
    network: str | Activation | Network = "relu",
    *,
    kind: Kind = "gradient",
    device: DeviceName | DaskClient = "cpu",
    dtype: Literal["float32"],
    out: None = None,
    progress: bool = False,
) -> npt.NDArray[np.float32]: ...


@overload
def gram(
    X: npt.ArrayLike,
    Y: npt.ArrayLike | None = None,
    network: str | Activation | Network = "relu",
    *,
    kind: Kind = "gradient",
    device: DeviceName | DaskClient = "cpu",
    dtype: npt.DTypeLike = "float64",
    out: Out,
    progress: bool = False,
) -> Out: ...


@overload
def gram(
    X: npt.ArrayLike,
    Y: npt.ArrayLike | None = None,
    network: str | Activation | Network = "relu",
    *,
    kind: Kind = "gradient",
    device: DeviceName | DaskClient = "cpu",
    dtype: npt.DTypeLike = "float64",
    out: None = None,
    progress: bool = False,
) -> npt.NDArray[np.floating]: ...


@one_blas_thread()  # in making tables too: the bits must not depend on how many it has
def gram(
    X: npt.ArrayLike,
    Y: npt.ArrayLike | None = None,
    network: str | Activation | Network = "relu",
    *,
    kind: Kind = "gradient",
    device: DeviceName | DaskClient = "cpu",
    dtype: npt.DTypeLike = "float64",
    out: Any = None,
    progress: bool = False,
) -> Any:
    """Return the Gram matrix of a network between the rows of X and of Y.

    Parameters
    ----------
    X : (n, d) array_like
        Samples, taken as they are: nothing scales the rows. Integers become float64; float32,
        read-only and memory-mapped arrays are taken, tables of pandas and polars, arrays of xarray
        and Dask (computed when they come in), and through DLPack those of JAX (float32, unless JAX
        is told otherwise), PyTorch and others. One on a GPU needs device="gpu": it is copied to the
        CPU, where rows are checked and scaled to norm 1, and what comes of it is copied back.
    Y : (m, d) array_like, optional
        Other samples; None is X itself, and then only the upper triangle is computed.
    network : Network, Activation or str
        A name is short for ``Network(name)``.
    kind : {"gradient", "nngp", "ntk"}
        Which Gram matrix: see `Network`.
    device : {"cpu", "gpu", "auto"} or distributed.Client
        What computes: the CPU, every GPU that CuPy sees (CUDA_VISIBLE_DEVICES chooses among them),
        GPUs where there are any that can be used, or the workers of a Dask cluster: see
        the notes. Blocks of 42 MB come from them, twice that in memory for each on the way, two a
        worker and 16 at most; where workers have no GPU, the bits are the CPU's.
    dtype : {"float64", "float32"}
        Of the computation and the result.
    out : array_like of shape (n, m), optional
        Written into, tile by tile, and returned: a NumPy array or anything that takes
        ``out[rows, columns] = block`` (`numpy.memmap`, h5py, zarr); a CuPy array on a GPU. Its
        dtype must be one that NumPy casts `dtype` to by the rule "same_kind": of real or complex
        numbers, of any precision.
    progress : bool
        Show a progress bar on standard error (needs tqdm: ``pip install fastgram[cli]``).

    Returns
    -------
    (n, m) numpy.ndarray
        Or `out`; a CuPy array where X or Y was on a GPU. Symmetric bit for bit where Y is None.

    Raises
    ------
    ValueError, TypeError
        For rows that are not a finite real array, rows of Y of another length than those of X, an
        `out` of another shape or kind of number, an unknown kind, device or dtype, a GPU that is
        missing, too old (before compute capability 7.0) or short of memory, a client that is
        closed or asynchronous, a depth at which the
        variance of a row overflows or vanishes, or a network of finite width that does not fit in
        the memory that is free or, for "gradient", whose derivative is zero everywhere.

    Warns
    -----
    RuntimeWarning
        Where entries are integrated one by one, milliseconds each.

    Notes
    -----
    The matrix is as exact as float64 lets it be, and that of a smooth activation on rows of few
    dimensions is not positive definite to the last bit: `numpy.linalg.cholesky` may refuse it.
    ``GramOperator(X, network).noise_floor`` on the diagonal is enough of a jitter.

    Rows of one norm, and rows of any norm under a homogeneous activation (relu, leaky_relu, abs,
    step, linear; in deeper layers without biases), take one to three nanoseconds an entry at
    d = 100 and any depth. Rows of many norms take two or three times as long under another
    activation, and its tables 0.3 to 40 seconds, the longer the further the norms are apart.
    Without a table are close and opposite rows of many norms under an activation with kinks away
    from 0 (relu6, hard_tanh), and in deeper layers of a kinked activation the pairs with a cosine
    near 1: they are computed pair by pair, by normal integrals where the activation is lines
    between its kinks or steps, and layer by layer where its only kink is at 0; by the processors,
    whatever the device.
    Other kinks of your own away from 0 go by integrals over one variable, sines at large norms by
    a closed form. Up to 1024 entries between rows of many norms are integrated one by one, without
    a warning, where the activation is neither lines nor a sine: a table would take longer.

    *On a Dask cluster* (``pip install fastgram[cluster]``) rows and tables are sent to every worker
    once. Of a `GramOperator` each product sends the block of vectors too; workers multiply bands of
    the triangle, four a worker when the operator is made, and add them up among themselves.
    Vectors, bases and factorisations stay in this process, and no tiles are kept. For the same
    number of bands a product has the same bits, whoever computes them; brackets are those of one
    process to rounding. A worker takes its GPUs where it sees any, else as many threads as Dask
    gives it. One that dies costs its bands, and one that joins is used from the next product;
    without any, a product waits for as long as ``fastgram.worker-timeout`` in Dask's configuration
    says, a minute by default, and then raises TimeoutError. A scheduler that is lost raises
    ConnectionError. All workers need this version of fastgram. An operator's pickle is opened where
    a client is current, and is then on its cluster.

    Examples
    --------
    >>> import functools, fastgram as fg
    >>> fg.gram([[1.0, 0.0], [0.6, 0.8]], network="relu").round(4)
    array([[0.5   , 0.2114],
           [0.2114, 0.5   ]])

    `SVC` takes it as a kernel, ``SVC(kernel=functools.partial(fg.gram, network="tanh"))``; for the
    rest of scikit-learn there is `fastgram.sklearn.NetworkKernel`.
    """
    devices = as_devices(device)
    home = devices[0]
    X, from_gpu = host_rows(X, devices)
    if Y is not None:
        refuse_as_rows(Y, "Y")
        Y, of_columns = host_rows(Y, devices)
        from_gpu = from_gpu or of_columns
    rows = as_rows(X)
    symmetric = Y is None
    columns = rows if Y is None else as_columns(Y, rows)
    net = as_network(network)
    as_choice("kind", kind, KINDS)
    tile_dtype = as_dtype(dtype)
    progress = as_flag("progress", progress)
    shape = (rows.shape[0], columns.shape[0])
    if out is not None:
        _check_out(out, shape, tile_dtype)
    with late_stage(progress, "tables" if net.width is None else "features"):
        entries = blocks_of(net, kind, rows, None if symmetric else columns, tile_dtype)
    entries = on_devices(entries, devices)
    with home.context():
        result = out
        if out is None:
            result = (home.xp if from_gpu else np).empty(shape, tile_dtype)
        consumer = Store(result, symmetric, tile_dtype, home)
        with progress_bar(progress, shape[0] * shape[1], "gram", "entry") as tick:
            store(entries, consumer, devices, tick=tick)
    return result


def _check_out(out: Any, shape: tuple[int, int], dtype: np.dtype[np.floating]) -> None:
    """Refuse what entries could not be stored in as they are."""
    if tuple(getattr(out, "shape", ())) != shape:
        raise ValueError(f"out must have shape {shape}, not {getattr(out, 'shape', None)}")
    if isinstance(out, np.ma.MaskedArray) and np.ma.is_masked(out):
        raise ValueError("out is masked: pass a plain array")
    if isinstance(out, np.ndarray) and not out.flags.writeable:
        raise ValueError("out is read-only")
    try:
        stored = np.dtype(getattr(out, "dtype", dtype))
    except TypeError:  # a library with dtypes of its own says itself what it cannot hold
        return
    # NumPy's rule lets numbers turn into text and objects
    if stored.kind in "SUO" or not np.can_cast(dtype, stored, "same_kind"):
        raise TypeError(f"out must hold real numbers in floating point, not {stored}")
