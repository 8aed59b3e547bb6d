"""Reading rows from files: every ending, and every way a file can be wrong."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest

from fastgram._inputs import read_rows


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


TABLE = [[1.0, 2.0], [-3.5, 4e-3]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.npy", npy(np.array(TABLE))),
        ("x.NPY", npy(np.array(TABLE, dtype=">f8"))),
        ("x.npz", npz(a=np.array(TABLE))),
        ("x.csv", "1,2\n-3.5,4e-3\n"),
        ("x.csv", "\n1, 2\r\n\r\n -3.5 ,4e-3\n   \n"),
        ("x.csv", "width,height\n1,2\n-3.5,4e-3"),
        ("x.csv", '\ufeff"width, mm",height\n"1","2"\n-3.5,4e-3'),
    ],
)
def test_rows_are_read(tmp_path, name, content):
    read = read_rows(write(tmp_path / name, content))
    assert read.dtype == np.float64
    assert read.tolist() == TABLE


def test_one_of_several_arrays_is_chosen(tmp_path):
    path = write(tmp_path / "x.npz", npz(a=np.array(TABLE), b=np.ones((2, 3))))
    assert read_rows(f"{path}:b").tolist() == np.ones((2, 3)).tolist()
    odd = write(tmp_path / "odd:name.npz", npz(a=np.array(TABLE)))
    assert read_rows(odd).tolist() == TABLE


def test_npy_is_mapped_and_not_copied(tmp_path):
    path = write(tmp_path / "x.npy", npy(np.array(TABLE, dtype=np.float32)))
    read = read_rows(path)
    assert read.dtype == np.float32
    assert isinstance(read, np.memmap) or isinstance(read.base, np.memmap)
    assert not read.flags.writeable


OBJECTS = np.array([[1, "a"]], dtype=object)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.npy", None, "No such file or directory"),
        ("x.csv", None, "No such file or directory"),
        ("x.npz:a", None, "No such file or directory"),
        ("x.txt", "1,2", "x.txt: cannot tell what it holds; known endings: .npy, .npz, .csv"),
        ("x.npy", "1,2", "x.npy is not a .npy file of numbers"),
        ("x.npy", b"", "x.npy is not a .npy file of numbers"),
        ("x.npy", pickle.dumps(TABLE), "x.npy is not a .npy file of numbers"),
        ("x.npy", npy(OBJECTS), "x.npy is not a .npy file of numbers"),
        ("x.npy", npy(np.array(TABLE))[:-8], "x.npy is not a .npy file of numbers"),
        ("x.npy", npy(np.array([["a", "b"]])), "x.npy must hold real numbers, not <U1"),
        ("x.npy", npy(np.array([[1j]])), "x.npy is complex"),
        ("x.npy", npy(np.ones(3)), "x.npy must be two-dimensional"),
        ("x.npy", npy(np.ones((0, 3))), "x.npy is empty: shape (0, 3)"),
        ("x.npy", npy(np.array([[1.0, 2.0], [0.0, np.nan]])), "row 1, column 1 is nan"),
        ("x.npz", npy(np.array(TABLE)), "x.npz is not a .npz file of numbers"),
        ("x.npz", pickle.dumps(TABLE), "x.npz is not a .npz file of numbers"),
        ("x.npz", b"PK", "x.npz is not a .npz file of numbers"),
        ("x.npz", npz(a=OBJECTS), "x.npz is not a .npz file of numbers"),
        ("x.npz", npz(), "x.npz holds no array"),
        ("x.npz", npz(a=[1], b=[2]), "x.npz holds 2 arrays; choose one of: "),
        ("x.npz:c", npz(a=[1], b=[2]), "x.npz holds no array 'c'; choose one of: "),
        ("x.csv", "", "x.csv holds no rows"),
        ("x.csv", "a,b\n\n", "x.csv holds no rows"),
        ("x.csv", "1,2\n3\n", "x.csv: line 2 ends before column 2 of 2"),
        ("x.csv", "1,2\n\n3,4,5\n", "x.csv: line 3 has a column 3, those before it not"),
        ("x.csv", "a,b,c\n1,2\n", "x.csv: line 2 ends before column 3 of 3"),
        ("x.csv", "a,b\n1,2\n3,four\n", "x.csv: line 3, column 2 is not a number: 'four'"),
        ("x.csv", "1,two\n3,4\n", "x.csv: line 1, column 2 is not a number: 'two'"),
        ("x.csv", "1,2\n3,\n", "x.csv: line 2, column 2 is empty"),
        ("x.csv", "1,2\n3,nan\n", "x.csv is not finite: row 1, column 1 is nan"),
        ("x.csv", npy(np.array(TABLE)), "x.csv is not comma-separated text"),
    ],
)
def test_bad_files(tmp_path, name, content, told):
    if content is not None:
        write(tmp_path / name.removesuffix(":c"), content)
    with pytest.raises((ValueError, TypeError, OSError)) as caught:
        read_rows(tmp_path / name)
    assert told in str(caught.value)
    assert f"{tmp_path}/x." in str(caught.value)
