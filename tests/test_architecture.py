"""The house stands: every import goes down, every file has a floor, heavy libraries their place.

Rooms and directions are those of CONTRIBUTING.md. Imports are read from the source: those within
functions and for type checkers count too. Each rule is a function of the files, which returns what
is wrong, a line each; that each of them sees what it forbids is tested with a file planted.
"""

from __future__ import annotations

import ast
import functools
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# From the roof to the cellar: a room may import those of later lines, and none of its own line.
FLOORS = (
    ("__main__",),
    ("cli", "sklearn"),
    ("planning", "study"),
    ("density", "regression", "storage"),
    ("eigenvalues",),
    ("matrix",),
    ("finite_width", "infinite_width", "linalg", "exact", "plotting"),
    ("devices", "network", "datasets"),
    ("kernels",),
    ("bracket",),
    ("support",),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# Where each heavy library may be imported: a room, or one file of it.
PLACES = {
    "PIL": ("datasets.files.image_folder",),
    "cupy": ("devices.gpu",),
    "cupyx": ("devices.gpu",),
    "distributed": ("devices.cluster",),
    "flint": ("exact",),
    "h5py": ("storage.formats.hdf5_file",),
    "llvmlite": ("kernels",),
    "matplotlib": ("plotting",),
    "numba": ("kernels",),
    "rich": ("cli",),
    "sklearn": ("sklearn", "datasets.photographs", "study.rows.bundled"),
    "tqdm": ("support.progress",),
    "typer": ("cli",),
}
MOST_FILES = 12
MOST_LINES = 400


def read_files(root=ROOT):
    """Return the text of every file of the package, by its path within fastgram/."""
    found = {}
    for top, prefix in ((root / "fastgram", ""), (root / "kernels", "kernels/")):
        for path in sorted([*top.rglob("*.py"), *top.rglob("*.cuh")]):
            relative = path.relative_to(top).as_posix()
            if prefix or not relative.startswith("kernels/"):  # the symlink
                found[prefix + relative] = path.read_text("utf-8")
    return found


def module_of(path):
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room_of(module):
    return module.partition(".")[0]


def modules(files):
    return {module_of(path): text for path, text in files.items() if path.endswith(".py")}


@functools.cache
def homes(text):
    """Return the modules of the public names, as fastgram/__init__.py has them."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES":
            return ast.literal_eval(node.value)
    raise AssertionError("fastgram/__init__.py has no _HOMES")


@functools.cache
def targets(text):
    """Return the full names of what a module imports: modules, or names within them."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found += [f"{module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            if function.rpartition(".")[2] in ("import_module", "__import__"):
                name = node.args[0]
                if isinstance(name, ast.Constant):
                    found.append(name.value)
                elif not ast.unparse(name).startswith("f'{__name__}."):  # of its own room
                    found.append("?")
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("fastgram", "fg"):
            found.append(f"fastgram.{node.attr}")  # a public name by way of the package
    return tuple(found)


def imports(files):
    """Return what each module imports: (modules of fastgram, top names of other libraries)."""
    known = modules(files)
    public = homes(files["__init__.py"])
    found = {}
    for name, text in known.items():
        ours, others = set(), set()
        for target in targets(text):
            top, _, rest = target.partition(".")
            if top != "fastgram":
                others.add(top)
                continue
            rest = public.get(rest, rest)
            while rest and rest not in known:  # a name within a module
                rest = rest.rpartition(".")[0]
            ours.add(rest)
        found[name] = ours - {"", "__init__", name}, others
    found.pop("__init__")  # whose public names are loaded at first use
    return found


# --- the rules -----------------------------------------------------------------------------------


def without_a_floor(files):
    return [name for name in imports(files) if room_of(name) not in FLOOR_OF]


def upward_imports(files):
    wrong = []
    for name, (ours, _) in imports(files).items():
        for other in ours:
            here, there = room_of(name), room_of(other)
            if here != there and FLOOR_OF.get(there, -1) <= FLOOR_OF.get(here, -1):
                wrong.append(f"{name} imports {other}")
    return sorted(wrong)


def out_of_place(files):
    """Return imports of heavy libraries elsewhere, and those that this file could not read."""
    wrong = []
    for name, (_, others) in imports(files).items():
        if "" in others or "?" in others:
            wrong.append(f"{name}: imports are written in full")
        for library in others & PLACES.keys():
            if not any(f"{name}.".startswith(f"{place}.") for place in PLACES[library]):
                wrong.append(f"{name} imports {library}")
    return sorted(wrong)


def circles(files):
    try:
        TopologicalSorter({name: ours for name, (ours, _) in imports(files).items()}).prepare()
    except CycleError as error:
        return [" → ".join(error.args[1])]
    return []


def hiding(files):
    """Return modules that would hide a public name when they are loaded."""
    return [name for name in modules(files) if name in homes(files["__init__.py"])]


def too_large(files):
    wrong = [path for path, text in files.items() if len(text.splitlines()) > MOST_LINES]
    folders = [path.rpartition("/")[0] for path in files]
    return wrong + [name for name in dict.fromkeys(folders) if folders.count(name) > MOST_FILES]


def silent_rooms(files):
    """Return the rooms that do not say what they are."""
    return [
        path
        for path, text in files.items()
        if path.endswith("__init__.py") and not ast.get_docstring(ast.parse(text))
    ]


RULES = (
    without_a_floor,
    upward_imports,
    out_of_place,
    circles,
    hiding,
    too_large,
    silent_rooms,
)


@pytest.fixture(scope="module")
def files():
    return read_files()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house(rule, files):
    assert rule(files) == []


# --- the rules see what they forbid --------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "file", "text", "told"),
    [
        (without_a_floor, "attic/planted.py", "", "attic.planted"),
        (without_a_floor, "planted.py", "", "planted"),
        (
            upward_imports,
            "linalg/planted.py",
            "from fastgram.matrix.operator import GramOperator",
            "matrix.operator",
        ),
        (
            upward_imports,
            "support/planted.py",
            "def f():\n    from fastgram import network",
            "network",
        ),
        (
            upward_imports,
            "network/planted.py",
            "import typing as t\nif t.TYPE_CHECKING:\n    import fastgram.devices.device",
            "devices.device",
        ),
        (
            upward_imports,
            "finite_width/planted.py",
            "import fastgram.infinite_width.entries",
            "infinite_width.entries",
        ),
        (
            upward_imports,
            "linalg/planted.py",
            "import importlib\nimportlib.import_module('fastgram.eigenvalues.extreme')",
            "eigenvalues.extreme",
        ),
        (upward_imports, "support/planted.py", "from fastgram import gram", "matrix.gram"),
        (upward_imports, "linalg/planted.py", "import fastgram\nfastgram.gram", "matrix.gram"),
        (upward_imports, "kernels/cpu/planted.py", "import fastgram.devices.device", "device"),
        (out_of_place, "density/planted.py", "import numba", "numba"),
        (out_of_place, "devices/planted.py", "def f():\n    import cupy.linalg", "cupy"),
        (out_of_place, "regression/planted.py", "from sklearn.base import clone", "sklearn"),
        (upward_imports, "cli/planted.py", "import fastgram.sklearn.network_ridge", "sklearn"),
        (out_of_place, "plotting/planted.py", "from rich.table import Table", "rich"),
        (out_of_place, "matrix/planted.py", "from . import operator", "written in full"),
        (out_of_place, "matrix/planted.py", "from .operator import X", "written in full"),
        (out_of_place, "matrix/planted.py", "import_module(f'fastgram.{x}')", "written in full"),
        (hiding, "gram.py", "", "gram"),
        (too_large, "density/planted.py", "x = 1\n" * (MOST_LINES + 1), "density/planted.py"),
        (too_large, "kernels/cuda/planted.cuh", "\n" * (MOST_LINES + 1), "planted.cuh"),
        (silent_rooms, "linalg/planted/__init__.py", "x = 1", "linalg/planted/__init__.py"),
    ],
)
def test_what_a_rule_forbids_is_seen(rule, file, text, told, files):
    found = set(rule(files | {file: text})) - set(rule(files))
    assert len(found) == 1
    assert told in found.pop()


def test_a_circle_is_seen(files):
    pair = {
        "support/one.py": "from fastgram.support.other import x",
        "support/other.py": "def f():\n    import fastgram.support.one",
    }
    innocent = {path: text for path, text in files.items() if path == "__init__.py"}
    assert circles(innocent) == []
    assert "support.one → support.other" in circles(innocent | pair)[0] * 2


def test_a_full_room_is_seen(files):
    planted = {f"attic/{k}.py": "" for k in range(MOST_FILES + 1)}
    assert "attic" in too_large(files | planted)
    planted.popitem()
    assert "attic" not in too_large(files | planted)
