"""open_gram(): a matrix that `store_gram` has finished, as an operator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from fastgram.devices.cpu import CPU
from fastgram.eigenvalues.problem import Problem, ProblemSource
from fastgram.matrix.checked_operator import CheckedOperator
from fastgram.storage.formats.layout import layout_of
from fastgram.storage.manifest import Manifest, manifest_of
from fastgram.storage.problem import StoredProblem
from fastgram.storage.products import StoredMatrix
from fastgram.storage.store import as_target, partial_of
from fastgram.support.html import table

__all__ = ["StoredGram", "open_gram"]


class StoredGram(CheckedOperator, ProblemSource):
    """A Gram matrix on disk, as a symmetric scipy LinearOperator: what `open_gram` returns.

    Attributes
    ----------
    shape : (n, n)
    dtype : float64
        Of products; that of the file may be float32.
    path : Path
    """

    def __init__(self, path: Path, manifest: Manifest, matrix: StoredMatrix) -> None:
        self.path = path
        self._manifest, self._matrix, self._home = manifest, matrix, CPU
        super().__init__(np.dtype(np.float64), (manifest.n, manifest.n))

    def __repr__(self) -> str:
        facts = self._manifest
        words = f"{facts.kind} of {facts.network['activation']}, {facts.dtype}"
        return f"StoredGram({str(self.path)!r}, {facts.n} × {facts.n}, {words})"

    def _repr_html_(self) -> str:
        facts = self._manifest
        rows = [
            ("shape", f"{facts.n} × {facts.n}"),
            ("kind", facts.kind),
            ("activation", str(facts.network["activation"])),
            ("dtype of the file", str(facts.dtype)),
            ("file", str(self.path)),
        ]
        return table("StoredGram", rows)

    def __reduce__(self) -> tuple[Any, ...]:
        return open_gram, (self.path,)

    def symmetric_problem(self) -> Problem:
        """Return the problem of the matrix as it is stored, for `extreme_eigenvalues`."""
        return StoredProblem(self._matrix, self._manifest.facts())

    def _matmat(self, V: Any) -> Any:
        if V.dtype.kind == "c":
            return self._matmat(V.real) + 1j * self._matmat(V.imag)
        return self._matrix.multiply(V)

    def _rmatmat(self, V: Any) -> Any:
        return self._matmat(V)

    def _adjoint(self) -> StoredGram:
        return self

    def _transpose(self) -> StoredGram:
        return self


def open_gram(path: str | os.PathLike[str]) -> StoredGram:
    """Open a Gram matrix that `store_gram` has stored, as an operator.

    Parameters
    ----------
    path : path
        Of the .npy, .h5 or .zarr, with its manifest, ``path + ".json"``, beside it.

    Returns
    -------
    StoredGram
        A symmetric scipy LinearOperator of shape (n, n), for `extreme_eigenvalues`,
        `spectral_density`, and scipy's `eigsh` and `lobpcg`. It is pickled as its path.

    Raises
    ------
    ValueError, TypeError
        If the matrix is unfinished, is not what its manifest says, or was not stored by
        `store_gram`. In products: if the file has been cut short since.
    FileNotFoundError
        If there is none.
    ImportError
        If h5py is needed and missing.

    Notes
    -----
    A product reads the blocks of the upper triangle, once for all vectors, strip by strip on two
    threads more than may multiply; beside the vectors it takes a megabyte or two a thread. Products
    are float64 and have the same bits on any number of threads. Brackets speak of the matrix as it
    is stored, its upper triangle mirrored: not of the ideal one of the rows, which a `GramOperator`
    speaks of.

    Examples
    --------
    >>> import tempfile, fastgram as fg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fg.store_gram(folder + "/K.npy", fg.datasets.circle(5), "relu")
    ...     answer = fg.extreme_eigenvalues(fg.open_gram(folder + "/K.npy"))
    >>> answer.smallest.lower <= answer.smallest.estimate
    True
    """
    target, ending = as_target(path)
    found = manifest_of(target)
    if not target.exists():
        if found is not None and partial_of(target).exists():
            raise ValueError(
                f"{target} is unfinished: {found.done} of {found.blocks} blocks are stored, and the"
                " call that began it goes on from there"
            )
        raise FileNotFoundError(2, "No such file or directory", str(target))
    if found is None:
        raise ValueError(
            f"{target} has no manifest {target.name}.json beside it: it was not stored by fastgram,"
            " or moved without it"
        )
    layout = layout_of(target, found.grid, ending)
    if not found.finished or not layout.is_laid_out():
        raise ValueError(f"{target} is not what its manifest says")
    return StoredGram(target.absolute(), found, StoredMatrix(layout))
