"""The CUDA source compiles for GPUs, without one: by NVRTC, with nothing to say about it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from helpers.cuda_host import PRODUCT, kernel_names, needs_compiler

from bench.gpu.nvrtc import NoCompilerError, compile_for
from fastgram.kernels.cuda import constants
from fastgram.kernels.cuda.launch import FUSED, FUSED_KERNELS, OPTIONS, TILES, source

ROOT = Path(__file__).parents[2]
# Architectures, and the products of small matrices that they have in double precision.
ARCHITECTURES = {"sm_80": "mma.sync.aligned.m8n8k4", "sm_90": "mma.sync.aligned.m16n8k8"}
SPILLED = 320  # bytes a kernel
# Of the fused products, of which each is a source: by the table, and the shortest and the longest.
SOME = [
    ("multiply_triangle", "sm_80"),
    ("multiply_triangle_12_1", "sm_80"),
    ("multiply_triangle_16_16", "sm_90"),
    ("multiply_vector_12_1", "sm_80"),
    ("multiply_eight_bit_12_1", "sm_80"),
    ("multiply_eight_bit_16_16", "sm_90"),
]


def compiled(text, architecture, *more):
    """Compile for a GPU: whether it could be, the log, and the PTX."""
    try:
        made = compile_for(text, architecture, *more)
    except NoCompilerError as missing:
        pytest.skip(str(missing))
    return made.done, made.log, made.ptx


# The whole source takes seconds to compile for one architecture.
compiled_for = pytest.mark.parametrize(
    "architecture",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "sm_80")) for name in ARCHITECTURES],
)


@pytest.mark.slow
@needs_compiler
@compiled_for
def test_compiles_without_warnings(architecture):
    done, log, ptx = compiled(source(), architecture, "--ptxas-options=--warn-on-spills")
    # what is spilled in an inner loop costs more than the arithmetic; a few bytes come and
    # go with the release of the compiler
    assert done
    assert all(int(count) <= 16 for count in re.findall(r"(\d+) bytes spill", log))
    assert not re.sub(r"(?m)^ptxas warning : Registers are spilled.*$", "", log).strip()
    names = re.findall(r"\.entry (\w+)", ptx)
    assert sorted(names) == sorted(kernel_names(source()))
    assert len(names) == len(set(names)) > 0


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize(("name", "architecture"), SOME)
def test_fused_products_compile_within_their_registers(architecture, name):
    """All that two blocks leave a thread, or one, are taken: a few come and go, once a tile."""
    done, log, ptx = compiled(source([name]), architecture, "--ptxas-options=--warn-on-spills")
    assert done, log
    assert re.findall(r"\.entry (\w+)", ptx) == [name] == kernel_names(source([name]))
    assert all(int(count) <= SPILLED for count in re.findall(r"(\d+) bytes spill", log))
    assert not re.sub(r"(?m)^ptxas warning : Registers are spilled.*$", "", log).strip()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_products_are_the_tensor_cores(architecture):
    done, _, ptx = compiled(PRODUCT, architecture)
    assert done
    (body,) = re.findall(r"\.entry product\(.*?^}", ptx, re.MULTILINE | re.DOTALL)
    found = re.findall(r"mma\.sync\.aligned\.\w+", body)
    assert set(found) == {ARCHITECTURES[architecture]}
    assert len(found) == (4 if architecture == "sm_80" else 1)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_products_of_digits_are_the_tensor_cores_of_bytes(architecture):
    done, log, ptx = compiled(source(["multiply_eight_bit"]), architecture)
    assert done, log
    products = re.findall(r"mma\.sync\.aligned\.[\w.]+", ptx)
    of_digits = [name for name in products if ".s32.s8.s8.s32" in name]
    assert set(of_digits) == {"mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32"}
    # 34 of slices for a warp's 32 x 32 cosines, 2 x 4 each; in double precision those with V alone
    assert len(of_digits) == 34 * 8
    assert len(products) - len(of_digits) == 16 * (4 if architecture == "sm_80" else 1)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_warning_is_an_error(architecture):
    kernel = 'extern "C" __global__ void f(int *x) {{ {} x[0] = 1; }}'
    assert compiled(kernel.format(""), architecture)[:2] == (True, "")
    done, log, _ = compiled(kernel.format("int unused = 3;"), architecture)
    assert not done
    assert "unused" in log


@pytest.mark.slow
def test_errors_name_the_file():
    broken = source().replace(
        "__device__ __forceinline__ int round_to_int(float", "oops round_to_int(float"
    )
    done, log, _ = compiled(broken, "sm_90")
    assert not done
    line = (ROOT / "kernels" / "cuda" / "table.cuh").read_text("utf-8").split("\n")
    number = next(k for k, text in enumerate(line, 1) if "int round_to_int(float" in text)
    assert log.startswith(f"table.cuh({number})")


@pytest.mark.slow
def test_older_gpus_have_all_but_the_fused_product():
    # sm_70 as well, by the last release that knows it, NVRTC 12
    done, log, ptx = compiled(source(), "sm_75")
    assert (done, log) == (True, "")
    missing = {"make_fragments", "read_sums", "slice_rows"} | set(FUSED_KERNELS)
    assert missing.isdisjoint(re.findall(r"\.entry (\w+)", ptx))
    assert compiled(source(["multiply_triangle"]), "sm_75")[:2] == (True, "")


def test_every_file_is_in_a_source_and_in_the_package():
    folder = ROOT / "kernels" / "cuda"
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.cuh"))
    assert sorted({*TILES, *FUSED}) == files
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for package in ("cuda", "cuda.fused"):
        data = project["tool"]["setuptools"]["package-data"][f"fastgram.kernels.{package}"]
        assert "*.cuh" in data
    for name in files:
        assert "#include" not in (folder / name).read_text("utf-8")


def test_numbers_that_python_knows_are_written_once():
    names = re.findall(r"#define (\w+)", constants.text())
    assert len(names) == len(set(names)) > 15
    assert set(constants.__all__) - {"text"} <= set(names)
    for name in names:  # a kernel that has a number of its own would disagree some day
        assert len(re.findall(rf"(?:\bint|#define) {name}\b", source(["multiply_triangle"]))) == 1


@pytest.mark.parametrize("option", OPTIONS)
def test_arithmetic_is_ieee(option):
    assert not re.search("fast|ftz|prec|fmad", option)
