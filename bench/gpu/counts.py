"""Counts of the fused kernels' compiled code, without a GPU: ``python -m bench.gpu.counts``.

    python -m bench.gpu.counts [--architecture sm_90] [--variant all]

Registers, spilled bytes and instructions of every fused kernel of a variant; of those with a middle
also what an entry of it takes, from the last product of cosines to the first product with V, and
how many of these are in double precision. NVRTC compiles (nvidia-cuda-nvrtc), nvdisasm reads the
code (nvidia-cuda-nvdisasm, or the path). Half a minute a variant.
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
from fastgram.kernels.cuda.launch import source
from fastgram.kernels.cuda.variants import VARIANTS, Variant

ENTRIES = 32  # of a lane
DOUBLE = ("DADD", "DFMA", "DMUL", "DSETP")
_INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,6}\*/\s+(?:@!?U?P[0-9T]+\s+)?(\w+)(\S*)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, 2 where a tool is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.gpu.counts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--architecture", default="sm_90", help="such as sm_80")
    parser.add_argument("--variant", default="all", choices=(*VARIANTS, "all"))
    given = parser.parse_args(arguments)
    names = VARIANTS if given.variant == "all" else [given.variant]
    try:
        for name in names:
            for line in count(VARIANTS[name], given.architecture):
                print(f"{given.architecture} {name} {line}", flush=True)
    except (NoCompilerError, FileNotFoundError) as error:
        print(f"bench.gpu.counts: {error}", file=sys.stderr)
        return 2
    return 0


def count(variant: Variant, architecture: str) -> list[str]:
    """Return a line a fused kernel."""
    made = compile_for(source(variant), architecture, "--ptxas-options=-v")
    assert made.done, made.log
    lines = []
    for name in re.findall(r"\.entry (multiply_\w+)", made.ptx):
        _, _, of_kernel = made.log.partition(f"entry function '{name}'")
        registers = re.search(r"Used (\d+) registers", of_kernel)
        spilled = re.search(r"(\d+) bytes spill stores", of_kernel)
        assert registers
        assert spilled
        code = instructions(made.binary, name)
        words = [f"{name}: {registers[1]} registers", f"{spilled[1]} bytes spilled"]
        words.append(f"{len(code)} instructions")
        entry = code_of_an_entry(code)
        if entry:
            double = sum(kind in DOUBLE for kind in entry)
            words.append(f"{len(entry) / ENTRIES:.1f} an entry of the middle")
            words.append(f"{double / ENTRIES:.1f} in double precision")
        lines.append(", ".join(words))
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


def code_of_an_entry(code: list[str]) -> list[str]:
    """Return what a lane does for its entries in the middle; nothing of a kernel without one.

    That is what precedes the barrier that asks whether any are outside, and from the first of the
    32 squares of cosines to the next barrier: the code between the two is of those outside.
    """
    barrier = next((k for k, kind in enumerate(code) if kind.startswith("BAR.RED")), 0)
    if not barrier:
        return []
    products = [k for k, kind in enumerate(code) if kind.startswith("DMMA")]
    before = max(k for k in products if k < barrier)
    after = min(k for k in products if k > barrier)
    first = [k for k, kind in enumerate(code) if kind == "DMUL" and k < after][-ENTRIES]
    ends = [k for k in range(first, after) if code[k].startswith("BAR")]
    kinds = code[before + 1 : barrier] + code[first : ends[0] if ends else after]
    return [kind.partition(".")[0] for kind in kinds]


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
