"""The house stands: every import goes down, every file has a floor, heavy libraries their place.

Rooms and directions are those of CONTRIBUTING.md. Imports are read from the source: those within
functions and for type checkers count too.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# From the roof to the cellar: a room may import those of later lines, and none of its own line.
FLOORS = (
    ("__main__",),
    ("cli",),
    ("density",),
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
    "cupy": ("devices.gpu",),
    "cupyx": ("devices.gpu",),
    "flint": ("exact",),
    "llvmlite": ("kernels",),
    "matplotlib": ("plotting",),
    "numba": ("kernels",),
    "rich": ("cli",),
    "tqdm": ("support.progress",),
    "typer": ("cli",),
}
MOST_FILES = 12
MOST_LINES = 400


def modules(root):
    """Return every module of the package, by its name without "fastgram.", and its path."""
    found = {}
    for top, prefix in ((root / "fastgram", ()), (root / "kernels", ("kernels",))):
        for path in sorted(top.rglob("*.py")):
            parts = path.relative_to(top).with_suffix("").parts
            if prefix or parts[0] != "kernels":  # the symlink
                name = ".".join(prefix + parts).removesuffix(".__init__")
                found[name] = path
    return found


def imported(path, name, known):
    """Return what a module imports: (modules of fastgram, top names of other libraries)."""
    ours, others = set(), set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are written in full"
            targets = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            if not (node.args and isinstance(node.args[0], ast.Constant)):
                continue
            targets = [node.args[0].value]
        else:
            continue
        for target in targets:
            top, _, rest = target.partition(".")
            if top != "fastgram":
                others.add(top)
                continue
            while rest and rest not in known:  # a name within a module
                rest = rest.rpartition(".")[0]
            ours.add(rest)
    return ours - {name}, others


def graph(root=ROOT):
    known = modules(root)
    return {name: imported(path, name, known) for name, path in known.items()}


def room_of(module):
    return module.partition(".")[0]


def misplaced(imports):
    """Return what is wrong with the imports of a package, a line each."""
    wrong = []
    for name, (ours, others) in imports.items():
        for library in others & PLACES.keys():
            if not any(f"{name}.".startswith(f"{place}.") for place in PLACES[library]):
                wrong.append(f"{name} imports {library}")
        if name == "__init__":  # whose public names are loaded at first use
            continue
        for other in ours - {"", "__init__"}:
            here, there = room_of(name), room_of(other)
            if here != there and FLOOR_OF[there] <= FLOOR_OF[here]:
                wrong.append(f"{name} imports {other}")
    return sorted(wrong)


def circle(imports):
    """Return modules that import one another, or an empty list."""
    below = {name: ours - {"", "__init__"} for name, (ours, _) in imports.items()}
    below.pop("__init__")
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        return error.args[1]
    return []


@pytest.fixture(scope="module")
def imports():
    return graph()


def test_every_file_has_a_room(imports):
    assert {room_of(name) for name in imports} - {"__init__"} == FLOOR_OF.keys()


def test_imports_go_down(imports):
    assert misplaced(imports) == []


def test_no_circles(imports):
    assert circle(imports) == []


def folders():
    return {path.parent for top in ("fastgram", "kernels") for path in (ROOT / top).rglob("*.py")}


@pytest.mark.parametrize("folder", sorted(folders()), ids=lambda path: path.name)
def test_rooms_are_small_and_say_what_they_are(folder):
    files = [path for path in folder.iterdir() if path.suffix in (".py", ".cuh")]
    assert len(files) <= MOST_FILES
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))
    for path in files:
        assert len(path.read_text("utf-8").splitlines()) <= MOST_LINES, path


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        ("linalg/planted.py", "from fastgram.matrix.operator import GramOperator", "matrix"),
        ("support/planted.py", "def f():\n    from fastgram import network", "network"),
        (
            "network/planted.py",
            "import typing as t\nif t.TYPE_CHECKING:\n    import fastgram.devices.device",
            "devices.device",
        ),
        ("finite_width/planted.py", "import fastgram.infinite_width.entries", "infinite_width"),
        (
            "linalg/planted.py",
            "from importlib import import_module as f\n"
            "import importlib\nimportlib.import_module('fastgram.eigenvalues.extreme')",
            "extreme",
        ),
        ("density/planted.py", "import numba", "numba"),
        ("devices/planted.py", "def f():\n    import cupy", "cupy"),
    ],
)
def test_a_planted_import_is_seen(file, line, told, tmp_path):
    for name, path in modules(ROOT).items():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text("utf-8"), "utf-8")
        assert name is not None
    (tmp_path / "fastgram" / file).write_text(line, "utf-8")
    found = set(misplaced(graph(tmp_path))) - set(misplaced(graph()))
    assert len(found) == 1
    assert told in found.pop()


def test_a_planted_circle_is_seen():
    imports = {"__init__": (set(), set()), "a.b": ({"a.c"}, set()), "a.c": ({"a.b"}, set())}
    assert set(circle(imports)) == {"a.b", "a.c"}
