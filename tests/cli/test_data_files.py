"""Reading rows from files: every ending, and every way a file can be wrong."""

from __future__ import annotations

import gzip
import io
import pickle

import numpy as np
import pytest
import scipy.sparse

from fastgram.cli.data_files.columns import Choice, select
from fastgram.cli.data_files.reading import read_rows


def squeezed(data):
    """Compressed, and the same bytes whenever that is done: they name the test."""
    return gzip.compress(data, mtime=0)


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
    read = read_rows(write(tmp_path / name, content)).rows
    assert read.dtype == np.float64
    assert read.tolist() == TABLE


def test_one_of_several_arrays_is_chosen(tmp_path):
    path = write(tmp_path / "x.npz", npz(a=np.array(TABLE), b=np.ones((2, 3))))
    assert read_rows(f"{path}:b").rows.tolist() == np.ones((2, 3)).tolist()
    odd = write(tmp_path / "odd:name.npz", npz(a=np.array(TABLE)))
    assert read_rows(odd).rows.tolist() == TABLE


def test_npy_is_mapped_and_not_copied(tmp_path):
    path = write(tmp_path / "x.npy", npy(np.array(TABLE, dtype=np.float32)))
    read = read_rows(path).rows
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
        ("x.xls", "1,2", "x.xls: cannot tell what it holds; known endings: .npy, .npz, .csv"),
        ("x.npy.gz", "1,2", "x.npy.gz: cannot tell what it holds"),
        ("x.csv.gz", "1,2\n", "Not a gzipped file"),
        (
            "x.csv.gz",
            squeezed(b"1,2\n" * 999)[:-20],
            "x.csv.gz is not a table in text",
        ),
        (
            "x.csv",
            squeezed(b"1,2\n"),
            "x.csv is compressed by gzip: let its name end in .gz",
        ),
        ("x.csv", npz(a=np.array(TABLE)), "x.csv is a zip archive or a spreadsheet"),
        ("x.csv", "<!DOCTYPE html>\n<p>404, not found\n", "x.csv is a web page"),
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
        ("x.csv", "1,2\n3\n", "x.csv: line 1 has 2 cells where other lines have 1"),
        ("x.csv", "1,2\n3,4\n5\n", "x.csv: line 3 has 1 cell where other lines have 2"),
        ("x.csv", "1,2\n\n3,4\n3,4,5\n", "x.csv: line 4 has 3 cells where other lines have 2"),
        ("x.csv", "a,b,c\n1,2\n", "x.csv: line 2 has 2 cells where the header has 3"),
        (
            "x.csv",
            "a,b\n1,2\n3,four\n",
            "x.csv: column b is not a number in line 3: 'four'; to leave it out: --drop b",
        ),
        ("x.csv", "1,two\n3,4\n", "x.csv: column 1 is not a number in line 1: 'two'"),
        ("x.csv", "1,2\n3,\n", "x.csv: column 1 has no value in line 2"),
        ("x.csv", "1,2\n3,nan\n", "x.csv: column 1 has no value in line 2"),
        ("x.csv", "a,b\n1,2\n\n-inf,3\n", "x.csv: column a is -inf in line 4"),
        ("x.csv", "a,b\nred,\nblue,?\n", "x.csv: column b has no value in 2 of 2 lines"),
        ("x.csv", "1,?,2\n3,?,4\n", "x.csv: column 1 has no value in 2 of 2 lines"),
        ("x.csv", "a,b\n45%,2\n50%,3\n", "x.csv: column a is not a number in line 2: '45%'"),
        ("x.csv", "a,b\n$45,2\n$50,3\n", "x.csv: column a is not a number in line 2: '$45'"),
        ("x.csv", "?,?\n1,2\n", "x.csv: column 0 has no value in line 1; column 1 has no value"),
        ("x.csv", "a,b\nred,x\nblue,y\n", "x.csv holds no column of numbers"),
        ("x.csv", npy(np.array(TABLE)), "x.csv is not text"),
    ],
)
def test_bad_files(tmp_path, name, content, told):
    if content is not None:
        write(tmp_path / name.removesuffix(":c"), content)
    with pytest.raises((ValueError, TypeError, OSError)) as caught:
        read_rows(tmp_path / name)
    assert told in str(caught.value)
    assert f"{tmp_path}/x." in str(caught.value)


def test_a_sparse_matrix_is_told_as_that(tmp_path):
    for kind in ("csr", "csc", "coo", "dia", "bsr"):
        path = tmp_path / f"{kind}.npz"
        scipy.sparse.save_npz(path, scipy.sparse.eye(3).asformat(kind))
        for name in (path, f"{path}:data"):
            with pytest.raises(TypeError, match=r"\.npz holds a SciPy sparse matrix: .*toarray"):
                read_rows(name)


# --- text as people have it --------------------------------------------------------------------


def savetxt(array, **options):
    file = io.BytesIO()
    np.savetxt(file, array, **options)
    return file.getvalue()


FLOWERS = [[5.1, 3.5, 0.2], [4.9, 3.0, 0.4], [6.3, 3.3, 2.5]]
PLAIN = [",".join(map(str, row)) for row in FLOWERS]
NAMED = "long,wide,thin\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        # as pandas writes it: with an index, with columns that have no names
        ("x.csv", ",long,wide,thin\n0,5.1,3.5,0.2\n1,4.9,3.0,0.4\n2,6.3,3.3,2.5\n"),
        ("x.csv", ",0,1,2\n0,5.1,3.5,0.2\n1,4.9,3.0,0.4\n2,6.3,3.3,2.5\n"),
        ("x.csv", "0,1,2\n5.1,3.5,0.2\n4.9,3.0,0.4\n6.3,3.3,2.5\n"),
        ("x.csv", "Unnamed: 0,long,wide,thin\n7,5.1,3.5,0.2\n8,4.9,3.0,0.4\n9,6.3,3.3,2.5\n"),
        # as R writes it
        ("x.csv", '"","long","wide","thin"\n"1",5.1,3.5,0.2\n"2",4.9,3,0.4\n"3",6.3,3.3,2.5\n'),
        ("x.txt", '"long" "wide" "thin"\n"1" 5.1 3.5 0.2\n"2" 4.9 3 0.4\n"3" 6.3 3.3 2.5\n'),
        ("x.txt", '"long" "wide" "thin"\n"a b" 5.1 3.5 0.2\n"c" 4.9 3 0.4\n"d" 6.3 3.3 2.5\n'),
        # as NumPy writes it
        ("x.txt", savetxt(FLOWERS)),
        ("x.csv", savetxt(FLOWERS)),
        ("x.txt", savetxt(FLOWERS, header="long wide thin")),
        ("x.csv", savetxt(FLOWERS, delimiter=",", header="long,wide,thin", footer="the end")),
        ("x.tsv", savetxt(FLOWERS, delimiter="\t", header="some remark")),
        # other separators
        ("x.csv", "long;wide;thin\n5.1;3.5;0.2\n4.9;3.0;0.4\n6.3;3.3;2.5\n"),
        ("x.csv", '"long";"wide";"thin"\r\n5,1;3,5;,2\r\n4,9;3;0,4\r\n6,3;3,3;2,5\r\n'),
        ("x.csv", "sep=;\nlong;wide;thin\n5.1;3.5;0.2\n4.9;3.0;0.4\n6.3;3.3;2.5\n"),
        ("x.tsv", "long\twide\tthin\n5.1\t3.5\t0.2\n4.9\t3.0\t0.4\n6.3\t3.3\t2.5\n"),
        ("x.txt", "5.1\t3.5\t\t0.2\n4.9\t3.0\t0.4\n6.3\t3.3\t2.5\n"),
        ("x.data", "  5.1   3.5  0.2\n  4.9   3.0  0.4 \n 6.3    3.3  2.5\n"),
        ("x.data", '5.1   3.5  0.2\t"a b"\n4.9   3.0  0.4\t"c"\n6.3    3.3  2.5\t"d"\n'),
        ("x.dat", "long|wide|thin\n5.1|3.5|0.2\n4.9|3.0|0.4\n6.3|3.3|2.5\n"),
        ("x.txt", "5,1 3,5 0,2\n4,9 3 0,4\n6,3 3,3 2,5\n"),
        # other encodings and line ends
        ("x.csv", ("\ufeff" + NAMED + "\r\n".join(PLAIN)).encode("utf-8")),
        ("x.csv", (NAMED + "\r".join(PLAIN)).replace("long,", "long\r,", 0)),
        ("x.txt", (NAMED + "\n".join(PLAIN)).replace(",", "\t").encode("utf-16")),
        ("x.csv", ("länge,wide,thin\n" + "\n".join(PLAIN)).encode("latin-1")),
        ("x.csv.gz", squeezed((NAMED + "\n".join(PLAIN)).encode())),
        ("x.TXT.GZ", squeezed(savetxt(FLOWERS))),
        # columns that are no features
        ("x.csv", NAMED[:-1] + ",kind\n" + ",setosa\n".join(PLAIN) + ",virginica\n"),
        ("x.csv", ",setosa\n".join(PLAIN) + ",virginica\n\n"),
        ("x.csv", "kind," + NAMED + "".join(f"M,{row}\n" for row in PLAIN)),
        ("x.csv", "day," + NAMED + "".join(f"2012-03-0{k},{row}\n" for k, row in enumerate(PLAIN))),
        ("x.csv", "".join(f"1/{k}/1999 13:05,{row},x\n" for k, row in enumerate(PLAIN))),
        ("x.csv", "".join(f"2014101{k}T000000,{row}\n" for k, row in enumerate(PLAIN))),
        ("x.csv", "".join(f"Mar {k} 2001,18.00.00,{row}\n" for k, row in enumerate(PLAIN))),
        ("x.csv", "id,kind," + NAMED + "".join(f"n{k},b,{row}\n" for k, row in enumerate(PLAIN))),
        # nothing, where spreadsheets end a line or a table
        ("x.csv", NAMED[:-1] + ",,\n" + ",,\n".join(PLAIN) + ",,\n,,,,\n,,,,\n"),
        ("x.csv", NAMED[:-1] + ",\n" + "\n".join(PLAIN)),
        ("x.csv", NAMED + ",\n".join(PLAIN) + ",\n"),
        ("x.csv", ",\n".join(PLAIN) + ",\n"),
        # other lines
        ("x.csv", "# from a balance\n" + NAMED + "% checked\n" + "\n#\n".join(PLAIN)),
        ("x.csv", "Flowers of 1936\n\n" + NAMED + "\n".join(PLAIN)),
        ("x.csv", "3,3,setosa\n".replace("3,3,", "3,") + "\n".join(PLAIN)),
    ],
)
def test_tables_as_programs_write_them(tmp_path, name, content):
    sample = read_rows(write(tmp_path / name, content))
    assert sample.rows.tolist() == FLOWERS
    assert len(sample.lines) == 3


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("5.1,3.5,0.2\n", [[5.1, 3.5, 0.2]]),
        ("long,wide\n5.1,3.5", [[5.1, 3.5]]),
        ("5.1 3.5 0.2", [[5.1, 3.5, 0.2]]),
        ("5;3,5", [[5.0, 3.5]]),
        ("5.1\n3.5\n", [[5.1], [3.5]]),
        ("x\n5.1\n", [[5.1]]),
        ("some words\n5.1\n2\n3\n", [[5.1], [2.0], [3.0]]),
        ('a,b\n"1,234",2\n"12,345,678.5",3\n', [[1234.0, 2.0], [12345678.5, 3.0]]),
        ("a;b\n1.234,5;2\n", [[1234.5, 2.0]]),
        ("a\tb\n1,234\t2.5\n", [[1234.0, 2.5]]),
        ("1.5D+03 2.0\n-1d-2 \u22123\n", [[1500.0, 2.0], [-0.01, -3.0]]),
        ("a,b\nTrue,1\nfalse,2\n", [[1.0, 1.0], [0.0, 2.0]]),
        ("country,1960,1961,1962,1963\nA,7,3,5,9\nB,1,1,2,2\n", [[7, 3, 5, 9], [1, 1, 2, 2]]),
        ("a,b\n0,5.1,3\n1,4.9,2\n", [[5.1, 3.0], [4.9, 2.0]]),
        ("x\n1 5.1\n2 4.9\n", [[5.1], [4.9]]),
        ("900,902,904,906,908,910,912,914\n" + "1,3,2,4,5,6,7,8\n", [[1, 3, 2, 4, 5, 6, 7, 8]]),
        ("0,1,2,3,4,5,6,7\n8,9,10,11,12,13,14,15\n", [[8, 9, 10, 11, 12, 13, 14, 15]]),
        ("1,2,3,4,5,6,7,8\n2,3,4,5,6,7,8,9\n", [[*range(1, 9)], [*range(2, 10)]]),
        (",7,3\na,1,2\nb,3,4\n", [[1.0, 2.0], [3.0, 4.0]]),
        ("label,0,1\n5,0,3\n7,1,2\n", [[5, 0, 3], [7, 1, 2]]),
        ("0,1\n1,0\n1,1\n", [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]),
        ("0,1,2\n3,4,5\n", [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]),
        ("#,name,hp\n1,Bulb,45\n2,Ivy,60\n", [[1.0, 45.0], [2.0, 60.0]]),
        ("39, State-gov, 77516\n50, Private, 83311\n", [[39.0, 77516.0], [50.0, 83311.0]]),
        ('a,"b\nc"\n1,2\n', [[1.0, 2.0]]),
        ("2,3,one,two,three\n1,2,3,0,9\n4,5,6,1,9\n", [[1, 2, 3, 0, 9], [4, 5, 6, 1, 9]]),
        ("kind,0,1\na,5.5,3.0\nb,7.5,2.0\n", [[5.5, 3.0], [7.5, 2.0]]),
        ("a,0,1\nb,5,3\n", [[0.0, 1.0], [5.0, 3.0]]),
    ],
)
def test_what_a_cell_and_a_header_mean(tmp_path, content, rows):
    assert read_rows(write(tmp_path / "x.csv", content)).rows.tolist() == rows


@pytest.mark.slow
def test_a_long_row_is_one_row(tmp_path):
    row = np.random.default_rng(0).standard_normal(7000)  # longer than a field of csv may be
    for separator in (",", ";", "\t", " "):
        read = read_rows(write(tmp_path / "x.csv", savetxt([row], delimiter=separator))).rows
        assert read.shape == (1, 7000)
        assert np.array_equal(read[0], row)


CARS = """mpg,"weight, kg",origin,name
18.0,3504,usa,"chevrolet, old"
15.0,3693,usa,buick
"""


@pytest.mark.parametrize(
    ("choice", "rows", "told"),
    [
        (
            {"drop": ("name",)},
            [[18.0, 3504.0], [15.0, 3693.0]],
            "columns mpg, weight, kg; left out: origin (text), name (dropped)",
        ),
        (
            {"label": ("origin",), "drop": ("-1",)},
            [[18.0, 3504.0], [15.0, 3693.0]],
            "columns mpg, weight, kg; left out: origin (label), name (dropped)",
        ),
        ({"columns": ("weight, kg", "mpg")}, [[3504.0, 18.0], [3693.0, 15.0]], "weight, kg, mpg"),
        ({"columns": ("1",)}, [[3504.0], [3693.0]], "columns weight, kg of 4"),
    ],
)
def test_columns_are_chosen_by_name_or_number(tmp_path, choice, rows, told):
    sample = read_rows(write(tmp_path / "x.csv", CARS), Choice(**choice))
    assert sample.rows.tolist() == rows
    assert told in sample.told


def test_columns_without_names_are_said_by_number(tmp_path):
    path = write(tmp_path / "x.txt", "1 2 3 4\n5 6 7 8\n")
    assert read_rows(path, Choice(columns=("0", "2"))).told == "columns 0, 2 of 4"
    assert read_rows(path, Choice(drop=("-1",))).told == "columns 0 to 2; left out: 3 (dropped)"


@pytest.mark.parametrize(
    ("choice", "taken"),
    [
        ({"columns": ("0-3",)}, [0, 1, 2, 3]),
        ({"columns": ("4", "1 - 2")}, [4, 1, 2]),
        ({"columns": ("2-2", "-1")}, [2, 5]),
        ({"drop": ("0-1",), "label": ("3-5",)}, [2]),
        ({"columns": ("0-5",)}, [0, 1, 2, 3, 4, 5]),
    ],
)
@pytest.mark.parametrize("ending", ["npy", "txt", "csv"])
def test_ranges_of_columns(tmp_path, ending, choice, taken):
    table = np.arange(12.0).reshape(2, 6)
    text = savetxt(table, delimiter=" ")
    if ending == "csv":
        text = b"a,b,c,d,e,f\n" + savetxt(table, delimiter=",")
    path = write(tmp_path / f"x.{ending}", npy(table) if ending == "npy" else text)
    assert np.array_equal(read_rows(path, Choice(**choice)).rows, table[:, taken])


@pytest.mark.parametrize(
    ("header", "word", "taken"),
    [
        ("a,0-1,c", "0-1", [1]),  # a name before all else
        ("2020-2021,2021-2022,x", "2021-2022", [1]),
        ("a,b,1-2", "0-1", [0, 1]),
    ],
)
def test_ranges_and_names_that_look_like_them(tmp_path, header, word, taken):
    table = np.arange(6.0).reshape(2, 3)
    path = write(tmp_path / "x.csv", f"{header}\n".encode() + savetxt(table, delimiter=","))
    assert np.array_equal(read_rows(path, Choice(columns=(word,))).rows, table[:, taken])


def test_a_range_is_short_for_its_numbers_names_before_all_else():
    for words in (("1-3",), ("1", "2", "3")):
        assert select(Choice(columns=words), ["3", "x", "2", "1"], 4, "x.csv").taken == (3, 2, 0)


def test_columns_of_an_array_are_chosen_by_number(tmp_path):
    path = write(tmp_path / "x.npy", npy(np.arange(12.0).reshape(2, 6)))
    sample = read_rows(path, Choice(label=("0",), drop=("-2",)))
    assert sample.rows.tolist() == [[1, 2, 3, 5], [7, 8, 9, 11]]
    assert sample.told == "columns 1 to 3, 5 of 6; label 0"
    assert sample.columns == ("1", "2", "3", "5")


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"drop": ("nam",)}, "x.csv has no column 'nam'; did you mean 'name'? (columns: mpg, "),
        ({"label": ("Origin",)}, "did you mean 'origin'?"),
        ({"columns": ("4",)}, "no column '4' (columns: mpg, weight, kg, origin, name; or numbers"),
        (
            {"columns": ("0-4",)},
            "no column '0-4' (columns: mpg, weight, kg, origin, name; or numbers",
        ),
        ({"drop": ("2-99999999999",)}, "x.csv has no column '2-99999999999' (columns: mpg, "),
        ({"drop": ("3-1",)}, "x.csv: the range 3-1 of columns runs backwards"),
        (
            {"columns": ("0-1",), "drop": ("1-2",)},
            "column weight, kg is in --columns and in --drop",
        ),
        ({"columns": ("a-b",)}, "x.csv has no column 'a-b'"),
        ({"columns": ("name",), "drop": ("3",)}, "column name is in --columns and in --drop"),
        ({"drop": ("0", "1", "2", "3")}, "x.csv: no column is left"),
        ({"columns": ("mpg", "origin")}, "column origin is not a number in line 2: 'usa'"),
    ],
)
def test_columns_that_cannot_be_chosen(tmp_path, choice, told):
    path = write(tmp_path / "x.csv", CARS)
    with pytest.raises(ValueError, match=r"x\.csv") as caught:
        read_rows(path, Choice(**choice))
    assert told in str(caught.value)


def test_a_name_that_two_columns_have_is_no_choice(tmp_path):
    path = write(tmp_path / "x.csv", "a,b,a\n1,2,3\n")
    with pytest.raises(ValueError, match="columns 0 and 2 are both called 'a': give a number"):
        read_rows(path, Choice(drop=("a",)))


PASSENGERS = """Id,Name,Sex,Age,Ticket,Fare,Port
1,"Braund, Mr. Owen",male,22,A/5 21171,7.25,S
2,"Cumings, Mrs. John",female,38,17599,71.28,C
3,"Moran, Mr. James",male,,330877,8.46,
"""


def test_all_columns_that_are_not_numbers_are_named_at_once(tmp_path):
    path = write(tmp_path / "x.csv", PASSENGERS)
    with pytest.raises(ValueError, match=r"x\.csv") as caught:
        read_rows(path)
    message = str(caught.value)
    for part in (
        "column Name is text ('Braund, Mr. Owen')",
        "column Sex is text ('male')",
        "column Age has no value in line 4",
        "column Ticket is not a number in line 2: 'A/5 21171'",
        "column Port is text ('S')",
        "to leave them out: --columns Id,Fare",
    ):
        assert part in message
    assert read_rows(path, Choice(columns=("Id", "Fare"))).rows.shape == (3, 2)


def test_what_was_taken_is_said(tmp_path):
    content = "Flowers\nday;long;;kind\n2001-02-03;5,1;3;a\n2001-02-04;4,9;3;b\n"
    sample = read_rows(write(tmp_path / "x.csv", content))
    assert sample.told == (
        "columns long, 2; left out: day (dates), kind (text); decimal commas;"
        " the first line skipped"
    )
    assert sample.columns == ("long", "2")
    assert sample.place(1) == "line 4"
    empty = read_rows(write(tmp_path / "x.csv", "a,b,,\n1,2,,\n3,4,,\n"))
    assert empty.told == "columns a, b"
    many = ",".join(f"f{k}" for k in range(50)) + "\n" + ",".join(["1.5"] * 50)
    assert read_rows(write(tmp_path / "x.csv", many)).told.endswith("f8, f9, …, f49")
    assert read_rows(write(tmp_path / "x.csv", "1,2\n3,4\n")).told == ""
