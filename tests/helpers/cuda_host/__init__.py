"""The CUDA kernels on this machine's processor: their text, compiled as host C++, and launched.

`host_kernels` is what a GPU's `Kernels` is, with NumPy in the place of CuPy. What a launch passes
is held against what the kernel takes: a GPU would not notice.
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

from fastgram.kernels.cuda import constants
from fastgram.kernels.cuda import launch as gpu
from fastgram.kernels.cuda.launch import Kernels, source

__all__ = [
    "PRODUCT",
    "device_source",
    "host_kernels",
    "kernel_names",
    "launcher",
    "needs_compiler",
    "whole_source",
]

COMPILER = "g++"
# fortified longjmp forbids to change stacks; nvcc's pragmas, and its names for what may be unused
OPTIONS = (
    "-std=c++17 -g0 -fPIC -shared -Wall -Wextra -Werror -Wno-unknown-pragmas"
    " -Wno-unused-function -U_FORTIFY_SOURCE -pthread"
)


def device_source() -> str:
    """Return what all kernels stand on, without them: compiled sooner than all."""
    first = Path(gpu.__file__).parent / gpu.TILES[0]
    return constants.text() + first.read_text("utf-8")


def whole_source() -> str:
    """Return the kernels of tiles and all fused ones: compiled once for a run of tests."""
    more = [name for name in gpu.FUSED if name not in gpu.TILES]
    parts = [(Path(gpu.__file__).parent / name).read_text("utf-8") for name in more]
    text = "\n".join([*parts, gpu.instances(gpu.FUSED_KERNELS)])
    return source() + text.encode("ascii", "replace").decode("ascii")


# A source with a kernel of one warp: c += a b, the matrices row by row.
PRODUCT = (
    device_source()
    + """
extern "C" __global__ void product(const double *a, const double *b, double *c)
{
    const int g = threadIdx.x / 4, t = threadIdx.x % 4;
    const double of_a[4] = {a[8 * g + t], a[8 * (g + 8) + t], a[8 * g + t + 4],
                            a[8 * (g + 8) + t + 4]};
    const double of_b[2] = {b[8 * t + g], b[8 * (t + 4) + g]};
    double *places[4] = {c + 8 * g + 2 * t, c + 8 * g + 2 * t + 1, c + 8 * (g + 8) + 2 * t,
                         c + 8 * (g + 8) + 2 * t + 1};
    double of_c[4] = {*places[0], *places[1], *places[2], *places[3]};
    multiply_add(of_c, of_a, of_b);
    for (int k = 0; k < 4; ++k) {
        *places[k] = of_c[k];
    }
}
"""
)

needs_compiler = pytest.mark.skipif(
    shutil.which(COMPILER) is None, reason=f"there is no {COMPILER} to compile the kernels with"
)
# Where compiled sources are kept, if not for this process alone: conftest names a folder that all
# workers of a run share.
FOLDER: Path | None = None
# NumPy's letters for a dtype, in host.h's
LETTERS = {"f8": "d", "f4": "f", "i8": "q", "u8": "Q"}


def kernel_names(text: str) -> list[str]:
    """Return the names of the kernels of a source, those that macros write as well."""
    plain = subprocess.run(
        [COMPILER, "-E", "-P", "-x", "c++", "-"],
        input=text, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return re.findall(
        r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)', plain
    )


@functools.cache
def _own_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fastgram-cuda-")  # removed when Python ends


@functools.cache
def library(text: str, level: str = "-O1") -> ctypes.CDLL:
    """Load a source, compiled by the first worker that asks for it."""
    folder = FOLDER or Path(_own_folder().name)
    target = folder / f"kernels-{hashlib.sha256(f'{level} {text}'.encode()).hexdigest()}.so"
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _compile(text, level, target)
    loaded = ctypes.CDLL(str(target))
    loaded.add_kernels()
    loaded.signature.argtypes = [ctypes.c_char_p]
    loaded.signature.restype = loaded.run.restype = ctypes.c_char_p
    sizes = [ctypes.c_longlong] * 3
    order = [ctypes.c_bool, ctypes.c_longlong]
    loaded.run.argtypes = [ctypes.c_char_p, *sizes, *order, ctypes.c_void_p]
    return loaded


def _compile(text: str, level: str, target: Path) -> None:
    entries = "\n".join(f'    host::add("{name}", {name});' for name in kernel_names(text))
    unit = target.with_suffix(".cpp")
    unit.write_text(
        f'#include "host.h"\n{text}\nextern "C" void add_kernels()\n{{\n{entries}\n}}\n', "utf-8"
    )
    made = target.with_suffix(".made")
    command = [COMPILER, *OPTIONS.split(), level, f"-I{Path(__file__).parent}", str(unit), "-o"]
    done = subprocess.run([*command, str(made)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    os.replace(made, target)


def launcher(text, backward=False, at_once=1, level="-O1"):
    """Return the function `launch` of fastgram.kernels.cuda.launch for a source, on the processor.

    With `backward` the blocks of a grid and the threads of a block run in descending order. So many
    blocks run at once, each in a thread of its own; by itself, none may wait for another.
    `level` is what the compiler makes of it: many kernels compile soonest with little.
    """
    loaded = library(text, level)

    def launch(name, grid, block, shared, arguments):
        values, letters = [], ""
        for argument in arguments:
            if argument.dtype.kind == "V":  # a record goes by value
                assert argument.shape == (1,)
                letters += f"{{{argument.itemsize}}}"
                values.append(argument)
                continue
            letter = LETTERS[argument.dtype.str[1:]]
            if isinstance(argument, np.ndarray):
                assert argument.flags.c_contiguous
                letters += "*" + letter
                values.append(np.uint64(argument.ctypes.data))
            else:
                assert isinstance(argument, np.generic)
                letters += letter
                values.append(argument)
        known = loaded.signature(name.encode())
        assert known is not None, f"there is no kernel {name}"
        assert letters == known.decode(), f"{name} takes {known.decode()}, and got {letters}"
        assert all(type(number) is int for number in (grid, block, shared))
        assert 0 < grid < 2**31
        assert 0 < block <= 1024
        held = [np.array(value) for value in values]
        places = np.array([value.ctypes.data for value in held], dtype=np.uint64)
        error = loaded.run(
            name.encode(), grid, block, shared, backward, at_once, places.ctypes.data
        )
        assert error is None, f"{name}: {error.decode()}"

    return launch


@functools.cache
def host_kernels(backward: bool = False) -> Kernels:
    """Return the kernels of kernels/*.cuh, to be run on this machine's processor."""
    return Kernels(np, launcher(whole_source(), backward), multiprocessors=3)
