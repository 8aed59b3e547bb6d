"""Files that are written whole or not at all."""

import os

import pytest

from fastgram.support.files import durable
from fastgram.support.files.durable import written_whole


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with written_whole(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_an_error_leaves_nothing(tmp_path):
    def interrupted():
        with written_whole(tmp_path / "file") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_it_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
    path, done = tmp_path / "file", []

    def noted(name):
        function = getattr(os, name)

        def call(*arguments):
            done.append(name)
            return function(*arguments)

        monkeypatch.setattr(durable.os, name, call)

    noted("fsync")
    noted("replace")
    with written_whole(path) as file:
        file.write(b"new")
    assert done == ["fsync", "replace", "fsync"]  # the second of the folder


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"), written_whole(tmp_path / "nowhere/x"):
        raise AssertionError
