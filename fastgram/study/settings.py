"""What computes the rows of the study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from fastgram.support.literals import DaskClient, Kind

if TYPE_CHECKING:
    from fastgram.matrix.operator import GramOperator
    from fastgram.network.network import Network

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """What computes.

    Attributes
    ----------
    device : {"cpu", "gpu", "auto"}
    cluster : distributed.Client, optional
        Takes the device's place.
    progress : bool
        Whether computations show how far they are.
    """

    device: str = "cpu"
    cluster: DaskClient | None = None
    progress: bool = False

    def operator(
        self, X: npt.ArrayLike, network: Network | str, kind: Kind = "gradient"
    ) -> GramOperator:
        """Return a Gram matrix on this device."""
        from fastgram.matrix.operator import GramOperator

        device: Any = self.device if self.cluster is None else self.cluster
        return GramOperator(X, network, kind=kind, device=device)
