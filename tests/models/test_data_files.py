"""Own data from files: what is read is what stands there, and what cannot be is told by file, line and column."""

import os
import zipfile

import numpy as np
import pytest

from eomsym import Dataset
from eomsym.errors import InputError
from eomsym.models import DataFile, dataset, default_model
from eomsym.models.data_files import columns

ROWS = "1,2.5,-3e-1\n4,.5,6\n7,8.,9\n"


@pytest.fixture
def file(tmp_path, monkeypatch):
    """``file(text)`` writes it as ``own.csv`` in the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="own.csv"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    return write


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["unix", "windows"])
def test_numbers_are_those_that_another_reader_finds(file, delimiter, ends):
    values = np.random.default_rng(0).standard_normal((50, 4)) * 10.0 ** np.arange(-150, 250, 100)
    lines = [delimiter.join(map(repr, map(float, row))) for row in values]
    path = file("\ufeff" + ends.join(["a,b,c,d".replace(",", delimiter), *lines, ""]))
    data = Dataset.from_csv(path, ["c", "a"])
    other = np.loadtxt(path, delimiter=delimiter, skiprows=1, encoding="utf-8-sig")
    np.testing.assert_array_equal(data.inputs, values[:, [1, 3]])
    np.testing.assert_array_equal(data.targets, other[:, [2, 0]])
    assert data.inputs.flags.c_contiguous
    assert (data.about["inputs"], data.about["targets"]) == (["b", "d"], ["c", "a"])


@pytest.mark.parametrize(
    ("text", "options", "inputs", "targets"),
    [
        (ROWS, {}, [[1, 2.5], [4, 0.5], [7, 8]], [[-0.3], [6], [9]]),
        ("a,b,y\n" + ROWS, {"target": "b"}, [[1, -0.3], [4, 6], [7, 9]], [[2.5], [0.5], [8]]),
        ("a,b,y\n" + ROWS, {"target": 1, "inputs": "3"}, [[-0.3], [6], [9]], [[1], [4], [7]]),
        ("3,2,1\n" + ROWS, {"header": True, "target": "3", "inputs": "2"}, [[2.5], [0.5], [8]], [[1], [4], [7]]),
        ("3,2,1\n", {"target": "1"}, [[2, 1]], [[3]]),
        ('"a, in m",b\n"1",2\n', {"target": "b"}, [[1]], [[2]]),
        (" a ,b\n 1 , 2\n", {"target": "a"}, [[2]], [[1]]),
    ],
)
def test_columns_by_name_and_by_number(file, text, options, inputs, targets):
    data = Dataset.from_csv(file(text), **options)
    np.testing.assert_array_equal(data.inputs, inputs)
    np.testing.assert_array_equal(data.targets, targets)


@pytest.mark.parametrize(
    ("column", "options", "labels", "classes"),
    [
        ("2,0,1,1", {}, [2, 0, 1, 1], ["0", "1", "2"]),
        ("2,0,2,0", {}, None, None),  # class 1 never occurs
        ("2,0,2,0", {"labels": True}, [2, 0, 2, 0], ["0", "1", "2"]),
        ("2,0,1,1", {"labels": False}, None, None),
        ("2,0,1,1.5", {}, None, None),
        ("0,0,0,0", {}, None, None),  # one value, no classes
        ("ox,ass,ox,cow", {}, [2, 0, 2, 1], ["ass", "cow", "ox"]),
        ("3+,1a,3+,2020-01-01", {}, [2, 0, 2, 1], ["1a", "2020-01-01", "3+"]),  # words with digits in them
    ],
)
def test_classes(file, column, options, labels, classes):
    words = column.split(",")
    data = Dataset.from_csv(file("x,y\n" + "".join(f"{k},{word}\n" for k, word in enumerate(words))), **options)
    assert data.about["classes"] == classes
    if labels is None:
        assert data.targets.tolist() == [[float(word)] for word in words]
        assert default_model(data).loss == "mse"
    else:
        assert (data.targets.dtype, data.targets.tolist()) == (np.int64, labels)
        assert default_model(data).layers == (1, 16, 3)


@pytest.mark.parametrize(
    ("text", "options", "fault"),
    [
        ("a,b\n1,2\n3\n", {}, r"line 3, column 2 \('b'\): '' is no finite number; leave the line out"),
        ("a,b\n1,2\n\n3,4,5\n", {}, r"is no table \(line 4 has more cells than the first\)"),
        ("\na,b\n1,2,3\n", {}, "line 3 has more cells than the first"),
        ("a,b\n1,2\n\n3,four\n", {"labels": False}, r"line 4, column 2 \('b'\): 'four' is no finite number"),
        ("a,b\n1,2\nnan,4\n", {}, r"line 3, column 1 \('a'\): 'nan' is no finite number; leave the line out"),
        ("a,b\n1,2\n1,inf\n", {}, r"line 3, column 2 \('b'\): 'inf' is no finite number"),
        ("a,b\n1,2\n1e999,4\n", {}, r"line 3, column 1 \('a'\): '1e999' is no finite number"),
        ("a,b\n1,2\n,4\n", {}, r"line 3, column 1 \('a'\): '' is no finite number"),
        ("a,b\n1,2\n1_0,4\n", {}, r"line 3, column 1 \('a'\): '1_0' is no finite number"),
        ("a,b\n1,2\nthree,4\n", {}, r"line 3, column 1 \('a'\): 'three' is no finite number"),
        ("a;b\n1;2\n3,5;4\n", {}, r"line 3, column 1 \('a'\): '3,5' is no finite number; write decimals with a point"),
        ("5.1,setosa\n4,\n", {}, r"line 2, column 2 \('2'\): '' is no class"),
        (
            "a,y\n1,five\n2,6.5\n3,7\n",
            {},
            r"line 3, column 2 \('y'\): '6.5' is like a number, and 'five' above it a word",
        ),
        ("1,five\n2,6\n", {}, r"line 2, column 2 \('2'\): '6' is like a number, and 'five' above it a word"),
        ("a,y\n1,five\n2,6\n", {"labels": True}, "'6' is like a number, and 'five' above it a word; write numbers in"),
        ("a;y\n1;five\n2;6,5\n", {}, "'6,5' is like a number, and 'five' above it a word"),
        ("a;y\n1;6,5\n2;7,5\n", {}, "line 2, column 2 .*'6,5' is no finite number; write decimals with a point"),
        ("a,y\n1,0\n2,ox\n", {}, r"line 3, column 2 \('y'\): 'ox' is no finite number"),
        ("x,y\n1,ox\n2,cow\n", {"labels": False}, r"line 2, column 2 \('y'\): 'ox' is no finite number"),
        ("x,y\n1,0\n2,1.5\n", {"labels": True}, "sample 2 has the target 1.5: no class"),
        ("x,y\n1,0\n2,-1\n", {"labels": True}, "sample 2 has the target -1: no class"),
        ("a,b,c\n1,2,3\n", {"target": "a,b", "labels": True}, "several targets: no class"),
        ("a,price\n1,2\n", {"target": "prize"}, "has no column 'prize'; choose from a, price; did you mean 'price'"),
        ("a,b\n1,2\n", {"target": "3"}, "has no column '3'"),
        ("a,b\n1,2\n", {"target": "0"}, "has no column '0'"),
        ("a,b\n1,2\n", {"target": "a", "inputs": "a"}, "none twice"),
        ("a,b\n1,2\n", {"target": "a,b"}, "one or more of each"),
        ("a,a\n1,2\n", {}, "name each, and none twice"),
        (",b\n0,2\n", {}, "name each"),
        (
            "a,b\n1,2\n",
            {"header": False, "labels": False},
            r"line 1, column 1 \('1'\): 'a' is no finite number; say that line 1 is a header",
        ),
        ("a,b\n", {}, "holds no sample"),
        ("", {}, "one or more of each"),
        ("1,b\n1,2\n", {"header": False}, "'2' is like a number, and 'b' above it a word"),
        ('a,b\n1,"2\n', {}, "is no table .could not parse"),
        (b"a,b\n1,\xff\n", {}, "is no table .invalid utf-8 sequence.; give UTF-8 text"),
        ("a,b\n1,2\n", {"scale": "standart"}, "scale 'standart': unknown; .*did you mean 'standard'"),
    ],
)
def test_what_cannot_be_read_is_told(file, text, options, fault):
    with pytest.raises(InputError, match=fault) as caught:
        Dataset.from_csv(file(text), **options)
    assert "\n" not in str(caught.value)


def test_other_things_than_files_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "folder.csv").mkdir()
    for name in ("pipe.csv", "zero.csv", "folder.csv", "missing.csv"):
        with pytest.raises(InputError, match=r"cannot be read \("):
            Dataset.from_csv(tmp_path / name)
    with pytest.raises(InputError, match="neither CSV nor NPZ"):
        Dataset.from_csv(tmp_path / "table.xlsx")


@pytest.mark.parametrize(("scale", "shift", "spread"), [("standard", np.mean, np.std), ("range", np.min, np.ptp)])
def test_scaling_is_of_each_column_and_told(file, scale, shift, spread):
    values = np.random.default_rng(1).standard_normal((40, 3)) * [1, 100, 1e-3] + [0, 7, 5]
    path = file("\n".join(",".join(map(repr, map(float, [*row[:2], 4, row[2]]))) for row in values))
    plain, scaled = (Dataset.from_csv(path, scale=how) for how in ("none", scale))
    assert "scaling" not in plain.about
    for part, before, after in (("inputs", plain.inputs, scaled.inputs), ("targets", plain.targets, scaled.targets)):
        told = scaled.about["scaling"][part]
        np.testing.assert_allclose(after, (before - told["shift"]) / told["spread"], rtol=1e-14)
    told = scaled.about["scaling"]["inputs"]
    np.testing.assert_allclose(told["shift"], [*shift(values[:, :2], axis=0), 4], rtol=1e-14)
    np.testing.assert_allclose(told["spread"], [*spread(values[:, :2], axis=0), 1], rtol=1e-14)  # a constant: shifted


@pytest.mark.parametrize("scale", ["standard", "range"])
@pytest.mark.parametrize("size", [1e300, 1e-170])
def test_a_column_whose_spread_is_no_double_is_refused(file, scale, size):
    """Its squares overflow, and all inputs would be 0 without a word; or lose their digits."""
    path = file(f"a,b,y\n1,{size},0.5\n2,{3 * size},1.5\n4,{-size},2.5\n")
    with pytest.raises(InputError, match=r"column 'b', from -.* to .*, cannot be scaled"):
        Dataset.from_csv(path, scale=scale)
    assert Dataset.from_csv(path, inputs="a", scale=scale).inputs.std() > 0.1


def test_labels_are_never_scaled(file):
    data = Dataset.from_csv(file("1,0\n2,1\n3,2\n"), scale="standard")
    assert data.targets.tolist() == [0, 1, 2]
    assert "targets" not in data.about["scaling"]


def test_arrays_of_an_npz_file(tmp_path):
    path = tmp_path / "own.npz"
    x, y = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([1, 0, 1], dtype=np.uint8)
    np.savez(path, inputs=x, targets=y, X=x + 1, words=np.array(["b", "a", "a"]), bad=np.array([[1.0], [np.nan], [0]]))
    data = Dataset.from_csv(path)
    assert (data.inputs.tolist(), data.targets.tolist()) == (x.tolist(), [1, 0, 1])
    other = Dataset.from_csv(path, "words", inputs="X")
    assert (other.inputs.tolist(), other.about["classes"]) == ((x + 1).tolist(), ["a", "b"])
    assert other.targets.tolist() == [1, 0, 0]
    assert Dataset.from_csv(path, labels=False).targets.tolist() == [[1.0], [0.0], [1.0]]
    with pytest.raises(InputError, match="row 2, column 1 is nan"):
        Dataset.from_csv(path, "bad")
    with pytest.raises(InputError, match=r"has no array 'target'; choose from .*did you mean 'targets'"):
        Dataset.from_csv(path, "target")
    with pytest.raises(InputError, match=r"inputs of shape \(3,\)"):
        Dataset.from_csv(path, inputs="words")
    np.savez(path, inputs=np.array([[None]]), targets=np.zeros(1))
    with pytest.raises(InputError, match="Object arrays cannot be loaded"):
        Dataset.from_csv(path)
    for words, fault in (
        (["a", "1.5"], "target '1.5' of row 2 is no word; give classes in words, or numbers"),
        (["2.5", "1.5"], "target '2.5' of row 1 is no word"),
        (["a", "nan"], "target 'nan' of row 2 is no word"),
    ):
        np.savez(path, inputs=np.zeros((2, 1)), targets=np.array(words))
        with pytest.raises(InputError, match=fault):
            Dataset.from_csv(path)
    np.savez(path, inputs=np.zeros((2, 1)), targets=np.array(["7", "10"]))  # digits as others have them
    assert Dataset.from_csv(path).targets.tolist() == [1, 0]
    path.write_bytes(b"PK\x03\x04 and nothing")
    with pytest.raises(InputError, match="is no archive of arrays"):
        Dataset.from_csv(path)


def archive(path, header, body=b"", magic=b"\x93NUMPY\x01\x00"):
    """An NPZ file whose inputs have this header; the targets are good."""
    text = header.encode().ljust(118) + b"\n"
    with zipfile.ZipFile(path, "w") as members:
        members.writestr("inputs.npy", magic + len(text).to_bytes(2, "little") + text + body)
        with members.open("targets.npy", "w") as member:
            np.save(member, np.zeros(4))


HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': SHAPE, }"


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (HEADER.replace("SHAPE", f"({10**13}, 2)"), "declares an array that does not fit into memory"),
        (HEADER.replace("SHAPE", f"({10**30}, 2)"), "declares an array that does not fit into memory"),
        (HEADER.replace("SHAPE", f"({10**19}, 2)"), "cannot be read"),
        (HEADER.replace("SHAPE", "(40, 2)"), "cannot be read .EOF"),
        ("{'descr': ((", "is no archive of arrays"),
        (HEADER.replace("SHAPE", "(4, 2)") + " " * 20_000, r"cannot be read .Header info length .[0-9]+. is large"),
    ],
    ids=["1e13", "1e30", "1e19", "short", "broken", "long"],
)
def test_a_damaged_archive_is_told_in_one_line(tmp_path, header, fault):
    archive(tmp_path / "own.npz", header, bytes(64))
    with pytest.raises(InputError, match=fault) as caught:
        Dataset.from_csv(tmp_path / "own.npz")
    assert "\n" not in str(caught.value)


def test_a_whole_archive_is_read(tmp_path):
    """The control; and bytes that are no array are none."""
    archive(tmp_path / "own.npz", HEADER.replace("SHAPE", "(4, 2)"), bytes(64))
    assert Dataset.from_csv(tmp_path / "own.npz").inputs.shape == (4, 2)
    archive(tmp_path / "own.npz", "", magic=b"none of it")
    with pytest.raises(InputError, match="is no archive of arrays"):
        Dataset.from_csv(tmp_path / "own.npz")


FILES = [
    DataFile("own.csv"),
    DataFile("a b/50%?.csv", ("y, z",), header=False),
    DataFile("ö&=#.npz", ("y",), ("a=1", "b&c"), True, "range", True, "0123456789abcdef"),
]


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_text_says_all_of_it(file):
    assert DataFile.parse(str(file)) == file


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("own.csv?taget=y", "'taget' is unknown; .*did you mean 'target'"),
        ("own.csv?header=maybe", "header 'maybe': unknown; choose from yes, no"),
    ],
)
def test_a_text_that_says_something_else(text, fault):
    with pytest.raises(InputError, match=fault):
        dataset(text)


def test_the_digest_says_which_file_is_meant(file):
    path = file("1,2\n3,4\n")
    pinned = str(DataFile(path).pinned)
    assert dataset(pinned).inputs.tolist() == [[1.0], [3.0]]
    assert dataset(pinned).name == "own.csv"
    file("1,2\n3,5\n")
    with pytest.raises(InputError, match="has changed since it had the digest"):
        dataset(pinned)


def test_columns_are_given_in_many_ways():
    assert columns("a, b") == columns(["a", "b"]) == ("a", "b")
    assert (columns(3), columns([1, "b"]), columns(None)) == (("3",), ("1", "b"), ())
