"""From texts to values."""

import pytest

from eomsym.cli import parsing
from eomsym.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0:4", (0, 1, 2, 3, 4)), ("3:3", (3,)), ("0,2,4", (0, 2, 4)), ("4,0", (0, 4)), ("7", (7,))],
)
def test_orders(text, expected):
    assert parsing.orders_to(12)(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *((text, "write 0:4 or 0,2,4") for text in ("", ":", "0:", ":4", "-1", "1.0", "0:2:4", "0, 1", "9" * 5000)),
        *((text, "give orders from 0 to 12") for text in ("0:13", "0:99999999", "13")),
        ("4:0", "write the smaller order first, as 0:4"),
        ("1,1", "give each once"),
    ],
)
def test_orders_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        parsing.orders_to(12)(text)


@pytest.mark.parametrize(("text", "expected"), [("1e-2", 0.01), (".5", 0.5), ("2.", 2.0), ("+1", 1.0), (0.01, 0.01)])
def test_positive(text, expected):
    assert parsing.positive(text) == expected


@pytest.mark.parametrize("text", ["", "nan", "inf", "-1", "1e999", "0x1", "1,5", "1/2", "0", "0.0", "1e-999"])
def test_positive_refused(text):
    with pytest.raises(ValueError, match=r"0\.01"):
        parsing.positive(text)


def test_settings_stay_text():
    assert parsing.settings(["a=9/10", " b = 0.9 "]) == {"a": "9/10", "b": "0.9"}


@pytest.mark.parametrize("texts", [["a"], ["=1"], ["a="], ["a b=1"], ["1a=1"], ["a=1", "a=2"], [""]])
def test_settings_refused(texts):
    with pytest.raises(InputError, match="--set"):
        parsing.settings(texts)


def test_widths():
    assert parsing.widths("64,32,10") == [64, 32, 10]
    for text in ("", "64,", "64;32", "64,a", "6.4,3", "[64,32]"):
        with pytest.raises(ValueError, match="not a list of widths"):
            parsing.widths(text)


def test_figure(tmp_path):
    assert parsing.figure(str(tmp_path / "a.PNG")) == tmp_path / "a.PNG"
    (tmp_path / "folder.png").mkdir()
    for name in ("a.jpeg", "a", "", "folder.png", "missing/a.png"):
        with pytest.raises(ValueError, match=r"kind of figure|is a folder|make it first"):
            parsing.figure(str(tmp_path / name) if name else "")


def test_folder_may_have_to_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    assert parsing.folder(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert not (tmp_path / "a").exists()
    for bad in (str(tmp_path / "file"), str(tmp_path / "file" / "below"), "", "a\0b"):
        with pytest.raises(ValueError, match=r"is a file|not the name|another name"):
            parsing.folder(bad)
