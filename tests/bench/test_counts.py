"""python -m bench.gpu.counts, on listings that are made up: no compiler, no disassembler."""

import subprocess
from types import SimpleNamespace

import pytest

from bench.gpu import counts
from bench.gpu.nvrtc import Compiled
from fastgram.kernels.cuda.variants import PRESENT

OUTSIDE = ["DMUL"] * 3 + ["BAR.SYNC"] + ["MUFU"]
CODE = [
    *("IMAD", "DMMA.16x8x8", "DSETP.GEU", "BAR.RED.OR"),
    *OUTSIDE,
    *["DMUL"] * 32,
    *("DFMA", "FSEL", "BAR.SYNC", "LDS", "DMMA.16x8x8"),
]


def listing(code, name):
    lines = [f"        /*{16 * k:04x}*/    @!P0 {kind} R1, R2 ;" for k, kind in enumerate(code)]
    return (
        f"\n.text.other:\n/*0000*/ EXIT ;\n.text.{name}:\n" + "\n".join(lines) + "\n.text.last:\n"
    )


@pytest.fixture
def compiled(monkeypatch):
    """A kernel that was compiled, and its code."""

    def use(code):
        log = "entry function 'multiply_x' for 'sm_90'\n20 bytes spill stores\nUsed 128 registers"
        made = Compiled(True, log, ".entry multiply_x(", b"")
        found = SimpleNamespace(stdout=listing(code, "multiply_x"))
        monkeypatch.setattr(counts, "compile_for", lambda *options: made)
        monkeypatch.setattr(counts, "_nvdisasm", lambda: "nvdisasm")
        monkeypatch.setattr(subprocess, "run", lambda *words, **options: found)

    return use


def test_entries_outside_the_middle_are_not_counted():
    entry = counts.code_of_an_entry(CODE)
    assert entry == ["DSETP", *["DMUL"] * 32, "DFMA", "FSEL"]
    assert counts.code_of_an_entry(["DMMA", "BAR.SYNC", "DMMA"]) == []


def test_a_line_a_kernel(compiled):
    compiled(CODE)
    assert counts.count(PRESENT, "sm_90") == [
        f"multiply_x: 128 registers, 20 bytes spilled, {len(CODE)} instructions,"
        " 1.1 an entry of the middle, 1.1 in double precision"
    ]
    compiled(["DMMA", "BAR.SYNC"])
    (line,) = counts.count(PRESENT, "sm_90")
    assert line == "multiply_x: 128 registers, 20 bytes spilled, 2 instructions"


def test_what_is_missing_is_said(monkeypatch, capsys):
    def missing(*options):
        raise counts.NoCompilerError("nvidia-cuda-nvrtc is not installed")

    monkeypatch.setattr(counts, "compile_for", missing)
    assert counts.main(["--variant", "middle"]) == 2
    assert capsys.readouterr().err == "bench.gpu.counts: nvidia-cuda-nvrtc is not installed\n"
