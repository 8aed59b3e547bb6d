"""Public names, how light the import is, and where compiled kernels are kept."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastgram as fg

PACKAGE = Path(fg.__file__).parent
# Loaded only where it is used.
OPTIONAL = (
    "numba",
    "cupy",
    "dask",
    "distributed",
    "matplotlib",
    "typer",
    "rich",
    "tqdm",
    "flint",
    "h5py",
    "sklearn",
    "zarr",
)

PUBLIC = [
    "Activation",
    "Bracket",
    "ExactEigenvalues",
    "ExtremeEigenvalues",
    "GramOperator",
    "Network",
    "Solution",
    "SpectralDensity",
    "TrainingCurve",
    "activation_names",
    "critical_variances",
    "datasets",
    "dual",
    "exact_extreme_eigenvalues",
    "extreme_eigenvalues",
    "get_activation",
    "gram",
    "hermite_coefficients",
    "open_gram",
    "plan",
    "posterior_variance",
    "set_num_threads",
    "solve",
    "spectral_density",
    "store_gram",
    "study",
    "training_curve",
]
MODULES = ("datasets", "study")


def run(script, directory=PACKAGE.parent, **environment):
    """Run a script on another interpreter that finds the package there; what it prints, as JSON."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=clean | {"PYTHONPATH": str(directory)} | environment,
        cwd=directory,  # which comes before PYTHONPATH
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return json.loads(done.stdout)


def test_public_names():
    assert fg.__all__ == PUBLIC
    assert sorted(PUBLIC) == PUBLIC
    assert set(PUBLIC) <= set(dir(fg))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there(name):
    public = getattr(fg, name)
    assert public is getattr(fg, name)
    assert public.__doc__
    if name not in MODULES:
        assert public.__module__.split(".")[0] == "fastgram"
        assert public.__name__ == name


def test_star_import():
    namespace = {}
    exec("from fastgram import *", namespace)
    assert set(PUBLIC) <= set(namespace)


def test_an_unknown_name(refuses):
    with refuses(AttributeError, "module 'fastgram' has no attribute 'grammar'"):
        fg.grammar
    assert not hasattr(fg, "__wrapped__")


def test_version():
    major, minor, patch = fg.__version__.split(".")
    assert all(part.isdigit() for part in (major, minor, patch[0]))


def test_the_import_is_light():
    """It adds to NumPy and scipy.sparse.linalg nothing but itself and the standard library."""
    told = run(
        "import json, sys, numpy, scipy.sparse.linalg\n"
        "before = set(sys.modules)\n"
        "import fastgram\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    others = {name.split(".")[0] for name in told} - {"fastgram"} - set(sys.stdlib_module_names)
    assert others == set()
    assert [name for name in told if name.startswith("fastgram.")] == []


def test_the_import_alone_loads_nothing_optional():
    told = run(
        "import json, sys, fastgram\n"
        "alone = [name.split('.')[0] for name in sys.modules]\n"
        "for name in fastgram.__all__: getattr(fastgram, name)\n"
        "print(json.dumps([alone, [name.split('.')[0] for name in sys.modules]]))"
    )
    alone, all_names = map(set, told)
    assert not alone & set(OPTIONAL)
    # nor do the names, but for what computes
    assert not all_names & (set(OPTIONAL) - {"numba"})


@pytest.mark.parametrize("lacking", ["sklearn", "sklearn.utils.validation"])
def test_scikit_learn_is_missing_or_too_old(lacking):
    told = run(
        f"import json, sys; sys.modules[{lacking!r}] = None\n"
        "try: import fastgram.sklearn\n"
        "except ImportError as error: print(json.dumps(str(error)))"
    )
    assert told.startswith("fastgram.sklearn needs scikit-learn, 1.6 or newer: pip install")


def test_names_stay_what_they_are_when_all_modules_are_loaded():
    """A module of a public name's own name would hide it."""
    told = run(
        "import importlib, json, pkgutil, fastgram\n"
        "names = {name: getattr(fastgram, name) for name in fastgram.__all__}\n"
        "loaded = []\n"
        "for module in pkgutil.walk_packages(fastgram.__path__, 'fastgram.'):\n"
        "    if not module.name.endswith(('.__main__', '.gpu')):\n"
        "        importlib.import_module(module.name)\n"
        "        loaded.append(module.name)\n"
        "same = [name for name in names if getattr(fastgram, name) is names[name]]\n"
        "from fastgram import gram\n"
        "print(json.dumps([loaded, same, callable(gram)]))"
    )
    loaded, same, still_callable = told
    assert {
        "fastgram.kernels.cpu.evaluate",
        "fastgram.kernels.reference",
        "fastgram.matrix.operator",
    } <= set(loaded)
    assert same == PUBLIC
    assert still_callable


@pytest.mark.slow
def test_modules_first_and_names_after():
    """The same where a program imports the modules before it asks for the names."""
    told = run(
        "import importlib, json, pkgutil, fastgram\n"
        "for module in pkgutil.walk_packages(fastgram.__path__, 'fastgram.'):\n"
        "    if not module.name.endswith(('.__main__', '.gpu')):\n"
        "        importlib.import_module(module.name)\n"
        "print(json.dumps([callable(getattr(fastgram, name)) for name in fastgram.__all__]))"
    )
    assert told == [name not in MODULES for name in PUBLIC]


def test_each_module_says_what_it_has():
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text("utf-8")
        if path.name in ("__main__.py", "__init__.py"):
            continue
        assert "__all__ = [" in source, path


def test_type_hints_are_shipped():
    assert (PACKAGE / "py.typed").exists()


# --- compiled kernels ----------------------------------------------------------------------------

COMPUTE = """
import json
import fastgram as fg
print(json.dumps(fg.gram([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]).tolist()))
"""


MIRROR = """
import json
import numpy as np
from fastgram.kernels.cpu.transpose import mirror
tile = np.array([[1.0, 2.0], [0.0, 3.0]])
mirror(tile)
print(json.dumps(tile.tolist()))
"""


def copy_of_the_package(target):
    shutil.copytree(
        PACKAGE, target / "fastgram", ignore=shutil.ignore_patterns("__pycache__", "*.nb?")
    )
    return target


@pytest.mark.slow
def test_compiled_kernels_are_cached_on_disk(tmp_path):
    """The second process compiles nothing: Numba would write what it compiles."""
    cache = tmp_path / "cache"

    def kept():
        files = (path for path in cache.rglob("*") if path.suffix in (".nbi", ".nbc"))
        return {path.relative_to(cache): path.stat().st_mtime_ns for path in files}

    first = run(COMPUTE, NUMBA_CACHE_DIR=str(cache))
    compiled = kept()
    assert {path.suffix for path in compiled} == {".nbi", ".nbc"}
    assert run(COMPUTE, NUMBA_CACHE_DIR=str(cache)) == first
    assert kept() == compiled


@pytest.mark.slow
def test_kernels_work_where_nothing_can_be_cached(tmp_path):
    """A read-only install and no writable home: a file stands where each cache would be.

    Tests may run as root, whom permissions do not stop.
    """
    root = copy_of_the_package(tmp_path)
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    for folder in [root / "fastgram", *(root / "fastgram").rglob("*/")]:
        if folder.is_dir():
            (folder / "__pycache__").write_text("in the way")
    nowhere = str(blocked / "cache")
    mirrored = run(
        MIRROR,
        root,
        NUMBA_CACHE_DIR=nowhere,
        HOME=nowhere,
        XDG_CACHE_HOME=nowhere,
        LOCALAPPDATA=nowhere,
        USERPROFILE=nowhere,
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert mirrored == [[1.0, 2.0], [2.0, 3.0]]
    assert not list(tmp_path.rglob("*.nbi"))


def test_depths_are_compared_with_normalized_activations():
    """At weight variance 1 relu's eigenvalues shrink by 2**-L, whatever depth does besides."""
    for text in (PACKAGE.parent / "README.md", PACKAGE / "cli" / "app.py"):
        lines = [line for line in text.read_text().splitlines() if line.count("--depth ") > 1]
        commands = [line for line in lines if "fastgram spectrum" in line]
        assert commands
        assert all("--normalize" in command for command in commands)
    X = fg.datasets.sphere(60, 10, seed=0)
    for normalize, grows in ((False, False), (True, True)):
        least = [
            fg.extreme_eigenvalues(
                fg.GramOperator(X, fg.Network("relu", depth=depth, normalize=normalize), kind="ntk")
            ).smallest.estimate
            for depth in (1, 10)
        ]
        assert (least[1] > least[0]) == grows
