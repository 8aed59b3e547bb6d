"""Other fused products, which a measurement has to decide on: `python -m bench.gpu --variant NAME`.

No option of the library chooses one. What wins takes the place of what is there, and the rest of
this folder goes; kernels/README.md has the counts. `triangle` launches all panels at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastgram.kernels.cuda.constants import STAGES

__all__ = ["PRESENT", "VARIANTS", "Variant"]


@dataclass(frozen=True)
class Variant:
    """How a fused product is made.

    Attributes
    ----------
    stages : int
        Of the pipeline of slabs.
    middle : bool
        Whether the middle of a table is one polynomial of the cosine, where there is one.
    one_launch : bool
        Whether all panels are one launch.
    """

    stages: int = STAGES
    middle: bool = False
    one_launch: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """The files that it adds to the source, in their order."""
        middle, triangle = ("variants/middle.cuh",), ("variants/triangle.cuh",)
        if self.middle and self.one_launch:
            return *middle, *triangle, "variants/triangle_by_middle.cuh"
        if self.middle:
            return *middle, "variants/panel_by_middle.cuh"
        return triangle if self.one_launch else ()


PRESENT = Variant()
VARIANTS = {
    "present": PRESENT,
    "deep": Variant(stages=6),  # loads are waited for: so many slabs are on their way
    "middle": Variant(middle=True),
    "one-launch": Variant(one_launch=True),
    "together": Variant(stages=6, middle=True, one_launch=True),
}
