"""store_gram(): a Gram matrix built on disk, block by block, so that a killed build goes on.

The matrix grows under another name, ".partial", and gets its own when it is whole. A block is
computed while the one before it is written; it is on disk before the manifest says so. What a kill
costs is the two blocks in flight.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import fastgram
from fastgram.devices.device import Device
from fastgram.devices.registry import as_devices, host_rows
from fastgram.matrix.consumers import Store
from fastgram.matrix.divided.on_workers import on_devices
from fastgram.matrix.entries import Tiles, blocks_of
from fastgram.matrix.traversal import each_tile
from fastgram.matrix.views import Window
from fastgram.network.activations import Activation
from fastgram.network.facts import network_facts
from fastgram.network.network import KINDS, Network, as_network
from fastgram.storage.formats.block_io import write_block
from fastgram.storage.formats.grid import Grid, side_of
from fastgram.storage.formats.layout import ENDINGS, Layout, layout_of
from fastgram.storage.manifest import Manifest, manifest_of
from fastgram.support.arrays import fingerprint
from fastgram.support.files.durable import sync_folder
from fastgram.support.files.lock import is_empty, only_writer
from fastgram.support.literals import DaskClient, DeviceName, Kind
from fastgram.support.memory import size_words
from fastgram.support.progress import late_stage, progress_bar
from fastgram.support.threads import in_order, one_blas_thread
from fastgram.support.validation import as_choice, as_dtype, as_flag, as_rows

__all__ = ["as_target", "build", "partial_of", "store_gram"]

Block = npt.NDArray[np.floating]


def store_gram(
    path: str | os.PathLike[str],
    X: npt.ArrayLike,
    network: str | Activation | Network = "relu",
    *,
    kind: Kind = "gradient",
    device: DeviceName | DaskClient = "cpu",
    dtype: npt.DTypeLike = "float64",
    progress: bool = False,
) -> None:
    """Build the Gram matrix of a network at the rows of X on disk; go on where a build was killed.

    Parameters
    ----------
    path : path
        Its ending chooses the format: .npy, for `numpy.load` with ``mmap_mode="r"``; .h5, with one
        dataset "gram" (needs h5py: ``pip install fastgram[h5]``); .zarr, a folder in Zarr's format
        3, which zarr-python reads from its version 3. All hold the whole square in C order,
        uncompressed, and the last two in square chunks of up to 2304 rows.
    X : (n, d) array_like
        Samples, as for `GramOperator`, and copied.
    network : Network, Activation or str
        A name is short for ``Network(name)``.
    kind : {"gradient", "nngp", "ntk"}
        Which Gram matrix: see `Network`.
    device : {"cpu", "gpu", "auto"} or distributed.Client
        What computes: see `gram`.
    dtype : {"float64", "float32"}
        Of the computation and the file.
    progress : bool
        Show a progress bar on standard error (needs tqdm: ``pip install fastgram[cli]``).

    Raises
    ------
    ValueError, TypeError
        For what `gram` refuses, an unknown ending, a disk with too little free, a file that is
        there and was not stored by this function, a matrix of other rows, another network, kind or
        dtype in its place, an unfinished one begun by another version of fastgram or on another
        device, and a file that another process is writing.
    OSError
        If the disk is full, or the folder cannot be written to. The call can be made again.
    ImportError
        If h5py is needed and missing.

    Notes
    -----
    It takes n²·8 bytes of disk (4 for float32); in chunks more, for the last ones are padded, by
    8 % at most from n = 20 000 on. In memory it takes three copies of the rows and about 200 MB for
    blocks, whatever n is; on a cluster 130 MB for each block on the way, of which there are two a
    worker and 16 at most. On the CPU, and on a cluster's, the file has the bits of `gram`. Only one
    half of the matrix is computed.

    Beside the file there is a manifest, ``path + ".json"``: what the matrix is of, a hash of the
    rows, and how much is done. Until it is whole the file is ``path + ".partial"``; the same call
    goes on with it after an error, a kill or an interrupt, computes at most the two blocks again
    that were in flight, and comes to the same bits. Where the matrix is whole it computes nothing.
    A user's own activation is recognised by its values. While a build runs it holds a lock, which
    ends with the process; on Windows there is none.

    Examples
    --------
    >>> import tempfile, fastgram as fg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fg.store_gram(folder + "/K.npy", fg.datasets.circle(5), "relu")
    ...     fg.open_gram(folder + "/K.npy").shape
    (5, 5)
    """
    options: dict[str, Any] = {"kind": kind, "device": device, "dtype": dtype, "progress": progress}
    build(path, X, network, tell=lambda line: None, **options)


@one_blas_thread()  # in making tables too: the bits must not depend on how many it has
def build(
    path: str | os.PathLike[str],
    X: npt.ArrayLike,
    network: str | Activation | Network,
    *,
    kind: str,
    device: str | DaskClient,
    dtype: Any,
    progress: Any,
    tell: Callable[[str], None],
) -> None:
    """Do what `store_gram` does, and tell in lines what it will take: the time if no bar does."""
    target, ending = as_target(path)
    devices = as_devices(device)
    X, from_gpu = host_rows(X, devices)
    rows, net = as_rows(X, own=not from_gpu), as_network(network)
    as_choice("kind", kind, KINDS)
    grid = Grid(rows.shape[0], side_of(rows.shape[0], ending), as_dtype(dtype))
    progress = as_flag("progress", progress)
    asked = Manifest(
        n=grid.n,
        data=fingerprint(rows),
        network=network_facts(net),
        kind=kind,
        dtype=grid.dtype.name,
        device=devices[0].name,
        version=fastgram.__version__,
        side=grid.side,
        blocks=len(grid.upper),
    )
    layout = layout_of(partial_of(target), grid, ending)
    words = f"{target}: {grid.n} x {grid.n} {grid.dtype.name}, {size_words(layout.bytes)}"
    if _is_finished(target, asked):
        tell(f"{words}, is stored already")
        return
    with only_writer(layout.path, layout.is_folder):
        if _is_finished(target, asked):  # by a process that had the lock until now
            return
        begun = _begun(target, asked, layout)
        free = _require_disk(target, layout, begun)
        with late_stage(progress, "tables" if net.width is None else "features"):
            entries = on_devices(blocks_of(net, kind, rows, None, grid.dtype), devices)
        rest = f"; {begun.done} of {begun.blocks} blocks are stored" if begun.done else ""
        tell(f"{words}, of {size_words(free)} free{rest}")
        if begun.done == 0:
            try:
                begun.write(target)
                layout.lay_out()
            except OSError as error:
                raise _worded(error, target) from None
        with devices[0].context():
            _Build(target, layout, begun, entries, devices, tell).run(progress)
        os.replace(layout.path, target)
        sync_folder(target.parent)


def as_target(path: Any) -> tuple[Path, str]:
    """Return a path and its ending, which must be that of a format."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a path, not {path!r}")
    target = Path(path)
    if target.suffix not in ENDINGS:
        raise ValueError(f"{target}: the ending must be {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}")
    return target, target.suffix


def partial_of(target: Path) -> Path:
    """Return where a matrix is until it is whole."""
    return target.with_name(target.name + ".partial")


# --- what is there -------------------------------------------------------------------------------


def _is_finished(target: Path, asked: Manifest) -> bool:
    """Whether the matrix is there and whole; refuse anything else in its place."""
    if not os.path.lexists(target):
        return False
    found = manifest_of(target)
    if found is None:
        raise ValueError(f"{target} is there and was not stored by fastgram: give another name")
    found.check_same(asked, target)
    if not found.finished or not layout_of(target, found.grid, target.suffix).is_laid_out():
        raise ValueError(f"{target} is not what its manifest says: delete it, or give another name")
    return True


def _begun(target: Path, asked: Manifest, layout: Layout) -> Manifest:
    """Return the manifest of what is there of the matrix: `asked` where that is nothing."""
    found = manifest_of(target)
    if is_empty(layout.path):  # new, or just made when a process was killed
        return asked
    if found is None:
        raise ValueError(f"{layout.path} is there without a manifest: delete it")
    found.check_same(asked, target)
    found.check_same_way(asked, target)
    if found.done and not layout.is_laid_out():
        raise ValueError(f"{layout.path} is not what its manifest says: delete it")
    return found


def _require_disk(target: Path, layout: Layout, begun: Manifest) -> int:
    """Return the bytes that are free; refuse what does not fit."""
    left = sum(1 if i == j else 2 for i, j in layout.grid.upper[begun.done :])
    needed = min(layout.bytes, left * layout.grid.block_bytes)
    free = shutil.disk_usage(layout.path.parent).free
    if needed > free:
        raise ValueError(
            f"{target}: {needed:,} bytes of disk are needed and {free:,} are free in"
            f" {layout.path.parent}"
        )
    return free


def _worded(error: OSError, target: Path, *more: str) -> OSError:
    """Return an error of the system that names the matrix, whichever file it came from."""
    reason = error.strerror or " ".join(str(error).split())
    return OSError(error.errno, "; ".join([reason, *more]), str(target))


# --- the build -----------------------------------------------------------------------------------


class _Build:
    """A build that is under way."""

    def __init__(
        self,
        target: Path,
        layout: Layout,
        manifest: Manifest,
        entries: Tiles,
        devices: tuple[Device, ...],
        tell: Callable[[str], None],
    ) -> None:
        self._target, self._layout, self._manifest = target, layout, manifest
        self._entries, self._devices, self._tell = entries, devices, tell

    def run(self, progress: bool) -> None:
        """Compute and write the blocks that are not there yet."""
        grid, first = self._layout.grid, self._manifest.done
        left = grid.upper[first:]
        total = sum(_count(grid, i, j) for i, j in left)
        title = f"{self._target.name}, {size_words(self._layout.bytes)}"
        try:
            with progress_bar(progress, total, title, "entry") as tick:
                self._store(left, tick)
        except OSError as error:
            raise _worded(error, self._target, self._reached()) from None
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"{self._target}: {self._reached()}") from None

    def _reached(self) -> str:
        done, blocks = self._manifest.done, self._manifest.blocks
        return f"{done} of {blocks} blocks are stored, and the same call goes on from there"

    def _store(self, left: list[tuple[int, int]], tick: Callable[[int], None] | None) -> None:
        with ThreadPoolExecutor(1, thread_name_prefix="fastgram") as writer:
            writing: Future[None] | None = None
            clock: list[float] = []  # when the first blocks were written
            for turn, ((i, j), block) in enumerate(
                zip(left, self._blocks(left, tick), strict=True)
            ):
                if writing is not None:
                    writing.result()
                    if tick is None:  # a bar tells it by itself
                        self._tell_time(clock, len(left) - turn)
                writing = writer.submit(self._write, i, j, block)
            if writing is not None:
                writing.result()

    def _blocks(
        self, left: list[tuple[int, int]], tick: Callable[[int], None] | None
    ) -> Iterator[Block]:
        """Yield the blocks in turn: two in memory, or a few for each worker of a cluster."""
        side, dtype = self._layout.grid.side, self._layout.grid.dtype
        at_a_time = self._devices[0].workers(1)
        if at_a_time > 1:

            def alone(place: tuple[int, int]) -> Block:
                return self._block(*place, np.empty(side**2, dtype), tick)

            yield from in_order(alone, left, at_a_time)
            return
        buffers = [np.empty(side**2, dtype) for _ in range(2)]
        for turn, (i, j) in enumerate(left):
            yield self._block(i, j, buffers[turn % 2], tick)

    def _block(self, i: int, j: int, buffer: Block, tick: Callable[[int], None] | None) -> Block:
        """Compute a block, tile by tile."""
        parts = self._layout.grid.parts
        window = Window(self._entries, parts[i], parts[j])
        block = buffer[: window.shape[0] * window.shape[1]].reshape(window.shape)
        times = None
        if tick is not None:
            told = tick
            times = (lambda count: told(count)) if i == j else (lambda count: told(2 * count))
        consumer = Store(block, i == j, self._layout.grid.dtype, self._devices[0])
        each_tile(window, consumer, self._devices, symmetric=i == j, tick=times)
        return block

    def _write(self, i: int, j: int, block: Block) -> None:
        write_block(self._layout, i, j, block)
        done = dataclasses.replace(self._manifest, done=self._manifest.done + 1)
        done.write(self._target)
        self._manifest = done

    def _tell_time(self, clock: list[float], left: int) -> None:
        """Tell how long the rest will take, once two blocks have been timed one by one."""
        if len(clock) == 2:
            return
        clock.append(time.perf_counter())
        if len(clock) == 2:
            self._tell(f"about {left * (clock[1] - clock[0]):.2g} s for the other {left} blocks")


def _count(grid: Grid, i: int, j: int) -> int:
    """Return the entries that a block stands for."""
    rows, columns = (grid.parts[k].stop - grid.parts[k].start for k in (i, j))
    return int(rows * columns * (1 if i == j else 2))
