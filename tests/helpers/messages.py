"""The messages that the library raises and warns with, read from its source.

A message is told as a template: its constant parts, with … where something is filled in.
"""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path

import fastgram

PACKAGE = Path(fastgram.__file__).parent
GAP = "…"
# What never reaches a user: caught where it is thrown, or of Python's own protocols.
INTERNAL = {"LostData", "TooRough", "KeyError", "KeyboardInterrupt", "Exit"}


@dataclass(frozen=True)
class Message:
    """A template, the file that has it, and the line."""

    template: str
    file: str
    line: int


@functools.cache
def messages_of(package=PACKAGE):
    """Return every message of a package, in the order of its files."""
    found = []
    for name, path in _files(package):
        tree = ast.parse(path.read_text("utf-8"))
        for node, scope in _calls(tree, tree):
            for template in _templates(node, scope):
                if re.search(r"[^\W\d_]{2}", template):  # else it passes on what others said
                    found.append(Message(template, name, node.lineno))
    return found


def _files(package):
    """Return the names of all source files and their paths; kernels/ may be a link."""
    kernels = package / "kernels"
    found = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    for path in kernels.resolve().rglob("*.py"):
        found[f"kernels/{path.relative_to(kernels.resolve()).as_posix()}"] = path
    return sorted(found.items())


def _calls(node, scope):
    """Yield every call that makes an exception or a warning, and the function that it is in."""
    for child in ast.iter_child_nodes(node):
        inner = child if isinstance(child, ast.FunctionDef) else scope
        raised = child.exc if isinstance(child, ast.Raise) else None
        if isinstance(raised, ast.Call) and not _is_exception(raised):
            if _name(raised) not in INTERNAL:  # such as type(error)(...)
                yield raised, scope
        elif isinstance(child, ast.Call) and (_is_exception(child) or _is_warning(child)):
            yield child, scope
        yield from _calls(child, inner)


def _name(call):
    return ast.unparse(call.func).rpartition(".")[2]


def _is_exception(call):
    name = _name(call)
    return name.endswith("Error") and name[0].isupper() and name not in INTERNAL


def _is_warning(call):
    return _name(call) in ("warn", "_warn_slow")


def _templates(call, scope):
    """Return what the arguments of a call may say: each string that one of them may be."""
    told = [text for argument in call.args for text in _texts(argument, scope)]
    return dict.fromkeys(" ".join(re.sub(f"{GAP}+", GAP, text).split()) for text in told)


def _texts(node, scope):
    """Return the strings that an expression may be, as templates."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else [GAP]
    if isinstance(node, ast.JoinedStr):
        return ["".join(_part(part) for part in node.values)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _texts(node.left, scope), _texts(node.right, scope)
        return [one + other for one in left for other in right]
    if isinstance(node, ast.IfExp):
        return _texts(node.body, scope) + _texts(node.orelse, scope)
    if isinstance(node, ast.Name):
        assigned = [
            one.value
            for one in ast.walk(scope)
            if isinstance(one, ast.Assign) and any(_is_target(t, node.id) for t in one.targets)
        ]
        return [text for value in assigned for text in _texts(value, scope)] or [GAP]
    return [GAP]


def _is_target(target, name):
    return isinstance(target, ast.Name) and target.id == name


def _part(part):
    return part.value if isinstance(part, ast.Constant) else GAP
