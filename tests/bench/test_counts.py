"""python -m bench.gpu.counts, on listings that are made up: no compiler, no disassembler."""

import subprocess
from types import SimpleNamespace

import pytest

from bench.gpu import counts
from bench.gpu.nvrtc import Compiled

CODE = [
    *("LDS.128", "DMMA.16x8x8", "LDS.128", "NOP", "DMMA.16x8x8", "BAR.SYNC", "DFMA"),
    *("IMAD.MOV.U32", "DMMA.16x8x8", "LDL", "BAR.SYNC", "IMAD.WIDE", "DMMA.16x8x8", "EXIT"),
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
        log = "entry function 'multiply_triangle'\n20 bytes spill stores\nUsed 128 registers"
        made = Compiled(True, log, ".entry multiply_triangle(", b"")
        found = SimpleNamespace(stdout=listing(code, "multiply_triangle"))
        monkeypatch.setattr(counts, "compile_for", lambda *options: made)
        monkeypatch.setattr(counts, "_nvdisasm", lambda: "nvdisasm")
        monkeypatch.setattr(subprocess, "run", lambda *words, **options: found)

    return use


def test_a_line_a_kernel(compiled):
    compiled(CODE)
    assert counts.count("multiply_triangle", "sm_90") == (
        "multiply_triangle: 128 registers, 20 bytes spilled, 14 instructions,"
        " two slabs 2 products in 4, 0 of them moves,"
        " 8 columns by rows 1 products in 1, 0 of them moves,"
        " by columns 1 products in 1, 0 of them moves"
    )


def test_moves_are_counted():
    code = ["DMMA.16x8x8"] * 4 + ["DMMA", "IMAD.MOV.U32", "LDL", "DMMA"] + ["DMMA"] * 2
    assert counts.parts_of(code)[1].endswith("2 products in 4, 2 of them moves")


def test_digits_are_a_part_of_their_own():
    code = ["IMMA.16832.S8.S8", "SHF", "IMMA.16832.S8.S8", "BAR", "DMMA", "DMMA", "MOV", "DMMA"]
    assert counts.parts_of([*code, "DMMA"]) == [
        "a chunk of digits 2 products in 3, 0 of them moves",
        "8 columns by rows 2 products in 2, 0 of them moves",
        "by columns 2 products in 2, 0 of them moves",
    ]


def test_what_is_missing_is_said(monkeypatch, capsys):
    def missing(*options):
        raise counts.NoCompilerError("nvidia-cuda-nvrtc is not installed")

    monkeypatch.setattr(counts, "compile_for", missing)
    assert counts.main(["--only", "_16_16"]) == 2
    assert capsys.readouterr().err == "bench.gpu.counts: nvidia-cuda-nvrtc is not installed\n"
