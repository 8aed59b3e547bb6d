"""Compiled code that is kept on disk: damaged, full disks, and Numba without its compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastgram as fg

MIRROR = """
import numpy as np
from fastgram.kernels.cpu.transpose import mirror
tile = np.array([[1.0, 2.0], [0.0, 3.0]])
mirror(tile)
print(tile[1, 0])
"""
# Another loop.
BOTH = f"""{MIRROR}
from fastgram.kernels.cpu.transpose import transpose
out = np.zeros((2, 2))
transpose(tile, out, 0, 0)
print(out[0, 1])
"""
# By two processes at once, which say how often each has compiled it.
TOGETHER = """
import os
import numpy as np
from fastgram.kernels.cpu.transpose import mirror
tile = np.array([[1.0, 2.0], [0.0, 3.0]])
children = []
for _ in range(2):
    children.append(os.fork())
    if not children[-1]:
        mirror(tile)
        print(sum(mirror.stats.cache_misses.values()), tile[1, 0], flush=True)
        os._exit(0)
for child in children:
    os.waitpid(child, 0)
"""
BLOCK = """
import numpy as np
from fastgram.kernels.cpu.products import multiply_block
row, part = np.zeros((1, 8)), np.zeros((1, 8))
multiply_block(np.full((1, 1), 2.0), np.ones((1, 8)), np.ones((1, 8)), row, part)
print(row[0, 0])
"""
PRODUCT = """
import numpy as np, fastgram as fg
op = fg.GramOperator(np.eye(3), "relu")
print((op @ np.ones(3))[0])
"""


def run(code, cache, folder=None, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache), **environment},
        cwd=folder,
    )
    return result.returncode, result.stdout, result.stderr


def cut_to_half(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    os.truncate(path, 0)


def overwrite(path):
    path.write_bytes(np.random.default_rng(0).bytes(path.stat().st_size))


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A cache of the code of a small loop."""
    cache = tmp_path_factory.mktemp("cache")
    assert run(MIRROR, cache) == (0, "2.0\n", "")
    return {path: path.read_bytes() for path in cache.rglob("*.nb?")}, cache


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "ending"),
    [(overwrite, ".nbc"), (empty, ".nbi")],
)
def test_damaged_files_are_compiled_again(ending, damage, filled):
    files, cache = filled
    for path, content in files.items():
        path.write_bytes(content)
    damaged = list(cache.rglob(f"*{ending}"))
    assert damaged
    for path in damaged:
        damage(path)
    status, out, err = run(MIRROR, cache)
    assert (status, out) == (0, "2.0\n")
    assert err.count("RuntimeWarning") == 1
    assert f"compiled code in {damaged[0].parent} cannot be read" in err
    assert "compiled again" in err
    assert run(MIRROR, cache) == (0, "2.0\n", "")


@pytest.mark.slow
def test_one_bit_of_machine_code(filled):
    """Which would run."""
    files, cache = filled
    for path, content in files.items():
        path.write_bytes(content)
        if path.suffix == ".nbc":
            changed = bytearray(content)
            changed[content.rfind(b".text")] ^= 64
            path.write_bytes(changed)
    status, out, err = run(MIRROR, cache)
    assert (status, out) == (0, "2.0\n")
    assert err.count("RuntimeWarning") == 1
    assert "its checksum is wrong" in err
    assert run(MIRROR, cache) == (0, "2.0\n", "")


@pytest.mark.slow
def test_files_that_cannot_be_written(filled):
    """As on a disk without room; a limit on the size of files is what a test can have."""
    files, cache = filled
    for path in files:
        path.unlink()
    limited = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n" + MIRROR
    )
    status, out, err = run(limited, cache)
    assert (status, out) == (0, "2.0\n")
    assert err.count("RuntimeWarning") == 1
    assert f"compiled code in {next(iter(files)).parent} cannot be written" in err


@pytest.mark.slow
def test_of_processes_that_start_together_one_compiles(tmp_path):
    status, out, err = run(TOGETHER, tmp_path)
    assert (status, err) == (0, "")
    assert sorted(out.splitlines()) == ["0 2.0", "1 2.0"]


@pytest.mark.slow
def test_many_damaged_files_are_told_once(tmp_path):
    assert run(BOTH, tmp_path)[0] == 0
    assert len(list(tmp_path.rglob("*.nbi"))) > 1
    for path in tmp_path.rglob("*.nb?"):
        cut_to_half(path)
    status, out, err = run(BOTH, tmp_path)
    assert (status, out) == (0, "2.0\n2.0\n")
    assert err.count("RuntimeWarning") == 1


@pytest.mark.slow
def test_code_is_compiled_again_after_a_change_in_a_file_that_it_uses(tmp_path):
    """Compiled code is kept by the file of its loop; what it calls may stand in others."""
    copy, cache = tmp_path / "copy", tmp_path / "cache"
    package = Path(fg.__file__).parent
    shutil.copytree(package, copy / "fastgram", ignore=shutil.ignore_patterns("__pycache__"))
    helper = copy / "fastgram" / "kernels" / "cpu" / "outer_product.py"
    here = {"PYTHONPATH": str(copy), "folder": copy}
    assert run(BLOCK, cache, **here) == (0, "2.0\n", "")
    kept = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nbc")}
    assert run(BLOCK, cache, **here) == (0, "2.0\n", "")
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.nbc")} == kept  # read
    text = helper.read_text("utf-8")
    changed = text.replace("add_incoming(lanes.constant(0.0), before)", "add_incoming(one, before)")
    assert changed != text
    helper.write_text(
        changed.replace("b = lanes.builder", "b, one = lanes.builder, lanes.constant(1.0)")
    )
    assert run(BLOCK, cache, **here) == (0, "3.0\n", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        PRODUCT,
        "import fastgram as fg; fg.gram([[1.0]], network='tanh')",
    ],
)
def test_without_a_compiler(code, tmp_path):
    status, out, err = run(code, tmp_path, NUMBA_DISABLE_JIT="1")
    assert (status, out) == (1, "")
    assert err.splitlines()[-1].startswith("ImportError: fastgram's loops are written for Numba's")
    assert "unset it" in err.splitlines()[-1]


@pytest.mark.slow
def test_the_command_line_without_a_compiler(tmp_path):
    code = "import sys; from fastgram.__main__ import main; sys.exit(main(['spectrum']))"
    status, out, err = run(code, tmp_path, NUMBA_DISABLE_JIT="1")
    assert (status, out) == (2, "")
    assert err.startswith("fastgram: error: fastgram's loops are written for Numba's compiler")
    assert err.count("\n") == 1
