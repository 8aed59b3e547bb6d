"""Tools for the cases of `bench.gpu`: a clock, a look ahead, and what CuPy alone knows."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.results import Figure
from fastgram.devices.device import Device
from fastgram.devices.gpu import Gpu

Array = npt.NDArray[np.float64]

LEAST_ROUNDS, MOST_ROUNDS = 5, 50


class Foresight:
    """The seconds of a case from those of the largest like it."""

    def __init__(self) -> None:
        self._known: dict[str, list[tuple[int, float, float]]] = {}

    def learn(self, what: str, n: int, work: float, seconds: float) -> None:
        """Keep what so much work took, at order n."""
        self._known.setdefault(what, []).append((n, work, seconds))

    def foresee(self, what: str, work: float) -> float:
        """Return seconds in proportion to the work; 0 where nothing is known."""
        known = self._known.get(what, [])
        largest = max((n for n, _, _ in known), default=0)
        # small orders are slow for their work, and so is a small dimension
        alike = [(abs(np.log(work / w)), t / w) for n, w, t in known if n == largest]
        return float(work * min(alike)[1]) if alike else 0.0


@dataclass
class Runs:
    """The GPUs, what has been measured on them, and the time that is left.

    Attributes
    ----------
    devices : tuple
        The first one takes and gives arrays.
    seconds : float
        From the start, for everything.
    square : int
        The order of the matrices that cuBLAS is timed with.
    short : float
        Seconds that short cases are repeated for.
    only : str
        Letters in the name of every case that is run; a case within another goes with it.
    variant : str
        Of `VARIANTS`: the kernel that passes are timed with too.
    """

    devices: tuple[Device, ...]
    seconds: float
    square: int
    short: float = 2.0
    only: str = ""
    variant: str = ""
    figures: list[Figure] = field(default_factory=list)
    failed: bool = False
    share: float = 1.0  # of the seconds, that the present part may end at
    foresight: Foresight = field(default_factory=Foresight)
    start: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self.device = self.devices[0]
        self._within = False  # a case that has others of its own
        # random numbers: with zeros a GPU draws less power and its clock is higher
        values = np.random.default_rng(0).standard_normal((self.square, self.square))
        self._factor = self.device.put(values)
        self._product = self.device.xp.empty((self.square, self.square))

    @property
    def left(self) -> float:
        """Seconds that the present part still has."""
        return self.share * self.seconds - (time.perf_counter() - self.start)

    def say(self, text: str) -> None:
        """Print a line at once, with the seconds since the start."""
        print(f"{time.perf_counter() - self.start:4.0f} s  {text}", flush=True)

    def add(
        self, case: str, what: str, values: Sequence[float] | Array, unit: str, note: str = ""
    ) -> None:
        """Keep the figure of several runs."""
        numbers = [float(value) for value in values]
        self.figures.append(Figure.of(case, what, numbers, unit, note))

    def attempt(
        self, case: str, foreseen: float, run: Callable[..., None], *arguments: Any
    ) -> None:
        """Run a case if it is asked for and will end in time; failing it takes no other with it."""
        if self.only not in case and not self._within:
            return
        if foreseen > self.left:
            left = max(self.left, 0.0)
            self.say(f"{case}: left out, would take {foreseen:.0f} s and {left:.0f} s are left")
            return
        self.say(case)
        outer, self._within = self._within, True
        try:
            run(self, case, *arguments)
        except Exception as error:  # whatever it is: the GPU is borrowed, and others may do
            self.failed = True
            reason = " ".join(str(error).split())
            self.say(f"{case}: FAILED, {type(error).__name__}: {reason}")
        finally:
            self._within = outer

    def time_once(self, run: Callable[[], Any]) -> float:
        """Return the seconds from idle devices to idle devices."""
        self.finish()
        start = time.perf_counter()
        kept = run()
        self.finish()
        seconds = time.perf_counter() - start
        del kept  # giving memory back is not in the time
        return seconds

    def in_turn(self, *runs: Callable[[], Any]) -> list[Array]:
        """Run several things in turn, after once each unmeasured: the seconds of each, by round."""
        for run in runs:
            run()
        rounds: list[list[float]] = []
        start = time.perf_counter()
        while len(rounds) < LEAST_ROUNDS or (
            len(rounds) < MOST_ROUNDS and time.perf_counter() - start < self.short
        ):
            rounds.append([self.time_once(run) for run in runs])
        return list(np.array(rounds).T)

    def finish(self) -> None:
        """Wait until all devices are idle."""
        for device in self.devices:
            device.finish()

    @contextmanager
    def kernels_of(self, variant: str) -> Iterator[None]:
        """Let a variant take the place of the kernel that it varies; "" changes nothing."""
        kernels = [device.kernels for device in self.devices if isinstance(device, Gpu)]
        names = {variant} - {""}
        for each in kernels:
            each.variants |= names
        try:
            yield
        finally:
            for each in kernels:
                each.variants -= names

    def multiply_squares(self) -> None:
        """Run a large DGEMM."""
        self.device.xp.matmul(self._factor, self._factor, out=self._product)

    def drop_squares(self) -> None:
        """Give up the gigabyte that `multiply_squares` works in."""
        self._factor = self._product = None

    @property
    def square_flops(self) -> float:
        """Operations of `multiply_squares`."""
        return 2.0 * float(self.square) ** 3


# --- what CuPy alone knows ------------------------------------------------------------------------


def pool_bytes(device: Device) -> int:
    """Return the bytes that CuPy's pool has taken since `empty_pool`, at their most."""
    return int(device.xp.get_default_memory_pool().total_bytes())  # it gives none back by itself


def empty_pool(device: Device) -> None:
    """Give the bytes that are not in use back to the driver."""
    device.xp.get_default_memory_pool().free_all_blocks()


def facts(devices: tuple[Device, ...]) -> dict[str, str]:
    """Return the GPUs, the driver and the versions of CUDA and CuPy."""
    cupy = devices[0].xp
    return {
        "GPU": ", ".join(device.label for device in devices),
        "driver": _driver(),
        "CUDA of the driver": _version(cupy.cuda.runtime.driverGetVersion()),
        "CUDA": _version(cupy.cuda.runtime.runtimeGetVersion()),
        "cupy": cupy.__version__,
    }


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60.0)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
