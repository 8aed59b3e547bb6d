"""The commit of what is measured, and what tells it where there is no git."""

import os
import shutil
import subprocess

import pytest

from bench import commit, results


def copied(folder):
    """Copy what is measured, as it would be without git."""
    for name in ("fastgram", "kernels", "bench"):
        shutil.copytree(
            commit.ROOT / name, folder / name, symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )  # fmt: skip
    return folder


def test_a_number_of_the_files_tells_them(tmp_path):
    number = commit.number_of_files()
    assert number.startswith("files-")
    assert len(number) == len("files-") + 12
    root = copied(tmp_path)
    assert commit.number_of_files(root) == number
    (root / "kernels" / "notes.md").write_text("no code", "utf-8")
    (root / "bench" / "results" / "new.json").write_text("{}", "utf-8")
    assert commit.number_of_files(root) == number
    os.rename(root / "bench" / "large.py", root / "bench" / "larger.py")
    moved = commit.number_of_files(root)
    with open(root / "kernels" / "cuda" / "table.cuh", "a") as stream:
        stream.write("// more")
    assert len({number, moved, commit.number_of_files(root)}) == 3


def test_without_git_it_stands_for_the_commit(monkeypatch):
    def none(*arguments):
        raise subprocess.CalledProcessError(128, "git")

    monkeypatch.setattr(commit, "_git", none)
    assert results.machine()["commit"] == commit.number_of_files()


@pytest.fixture
def history(tmp_path, monkeypatch):
    """A repository of two commits, and their names, the newest first."""
    monkeypatch.setattr(commit, "ROOT", tmp_path)

    def git(*words):
        config = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        subprocess.run(["git", *config, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "kernels").mkdir()
    for k in range(2):
        (tmp_path / "kernels" / "one.py").write_text(f"x = {k}\n", "utf-8")
        git("add", "-A")
        git("commit", "-q", "-m", "one")
    return commit._git("rev-list", "HEAD").split()


def test_the_commit_of_a_number_is_found(tmp_path, history):
    number = commit.number_of_files(tmp_path)
    assert commit.commit_of(number) == history[0] == commit.commit()
    (tmp_path / "kernels" / "one.py").write_text("x = 0\n", "utf-8")
    assert commit.commit_of(commit.number_of_files(tmp_path)) == history[1]
    assert commit.commit() == history[0] + "+changes"
    assert commit.commit_of("files-000000000000") is None
