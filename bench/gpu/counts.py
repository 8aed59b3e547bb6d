"""Counts of the fused kernels' compiled code, without a GPU: ``python -m bench.gpu.counts``.

    python -m bench.gpu.counts [--architecture sm_90] [--only _12_1]

Registers, spilled bytes and instructions of the kernels whose names have these letters. Of a warp's
part of a tile also what two slabs take, or a chunk of digits, and what 8 columns of V take on
either side: how many products of the tensor cores, and how many instructions in all. NVRTC compiles
(nvidia-cuda-nvrtc), nvdisasm reads the code (nvidia-cuda-nvdisasm, or the path).
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from bench.gpu.nvrtc import NoCompilerError, compile_for
from fastgram.kernels.cuda.launch import FUSED_KERNELS, source

_INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,6}\*/\s+(?:@!?U?P[0-9T]+\s+)?(\w+)(\S*)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, 2 where a tool is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.gpu.counts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--architecture", default="sm_90", help="such as sm_80")
    parser.add_argument("--only", default="", help="letters in the names of kernels")
    given = parser.parse_args(arguments)
    try:
        for name in FUSED_KERNELS:
            if given.only in name:
                print(f"{given.architecture} {count(name, given.architecture)}", flush=True)
    except (NoCompilerError, FileNotFoundError) as error:
        print(f"bench.gpu.counts: {error}", file=sys.stderr)
        return 2
    return 0


def count(name: str, architecture: str) -> str:
    """Return a line on a fused kernel."""
    made = compile_for(source([name]), architecture, "--ptxas-options=-v")
    assert made.done, made.log
    registers = re.search(r"Used (\d+) registers", made.log)
    spilled = re.search(r"(\d+) bytes spill stores", made.log)
    assert registers
    assert spilled
    code = instructions(made.binary, name)
    words = [f"{name}: {registers[1]} registers", f"{spilled[1]} bytes spilled"]
    words.append(f"{len(code)} instructions")
    return ", ".join([*words, *parts_of(code)])


def parts_of(code: list[str]) -> list[str]:
    """Return what is between the first and the last product of each part of a tile's work.

    Those of numbers are DMMA, those of digits IMMA.
    """
    numbers, words = (
        [k for k, kind in enumerate(code) if kind.startswith(name)] for name in ("DMMA", "IMMA")
    )
    # in the order of the code: cosines, half of the products where numbers make them, and V
    slabs = 0 if words else len(numbers) // 2
    half = (slabs + len(numbers)) // 2
    cosines = ("a chunk of digits", words) if words else ("two slabs", numbers[:slabs])
    by_rows, by_columns = numbers[slabs:half], numbers[half:]
    parts = [cosines, ("8 columns by rows", by_rows), ("by columns", by_columns)]
    lines = []
    for what, own in parts:
        between = code[own[0] : own[-1] + 1]
        moved = sum(kind.startswith(("IMAD.MOV", "MOV", "LDL", "STL")) for kind in between)
        lines.append(f"{what} {len(own)} products in {len(between)}, {moved} of them moves")
    return lines


def instructions(binary: bytes, name: str) -> list[str]:
    """Return the instructions of a kernel, in their order."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(binary)
        file.flush()
        done = subprocess.run([_nvdisasm(), file.name], capture_output=True, text=True, check=True)
    _, _, of_kernel = done.stdout.partition(f"\n.text.{name}:\n")
    of_kernel = of_kernel.partition("\n.text.")[0]
    return [f"{kind}{rest}" for kind, rest in _INSTRUCTION.findall(of_kernel)]


def _nvdisasm() -> str:
    """Return the disassembler of the package, or of the path."""
    try:
        files = metadata.files("nvidia-cuda-nvdisasm") or []
    except metadata.PackageNotFoundError:
        files = []
    own = [str(file.locate()) for file in files if Path(file).name == "nvdisasm"]
    found = own[0] if own else shutil.which("nvdisasm")
    if found is None:
        raise FileNotFoundError("nvidia-cuda-nvdisasm is not installed")
    return found


if __name__ == "__main__":
    sys.exit(main())
