"""From texts to values."""

import pytest

from eomsym.cli import parsing
from eomsym.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0:4", (0, 1, 2, 3, 4)), ("3:3", (3,)), ("0,2,4", (0, 2, 4)), ("4,0", (0, 4)), ("7", (7,))],
)
def test_orders(text, expected):
    assert parsing.orders("--orders", text, 12) == expected


@pytest.mark.parametrize(
    "text", ["", ":", "0:", ":4", "4:0", "0:13", "0:99999999", "1,1", "-1", "1.0", "0:2:4", "0, 1"]
)
def test_orders_refused(text):
    with pytest.raises(InputError, match=r"^--orders ") as caught:
        parsing.orders("--orders", text, 12)
    assert repr(text) in str(caught.value) or "13" in str(caught.value) or "99999999" in str(caught.value)


def test_integer_knows_its_range():
    assert parsing.integer("--order", "+3", 0, 3) == 3
    for text in ("4", "-1", "1_0", "３", "3.0", " 3", "1e1", "9" * 5000):
        with pytest.raises(InputError, match="0 to 3"):
            parsing.integer("--order", text, 0, 3)


@pytest.mark.parametrize(("text", "expected"), [("0", 0.0), ("1e-2", 0.01), (".5", 0.5), ("2.", 2.0), ("+1", 1.0)])
def test_decimal(text, expected):
    assert parsing.decimal("--weight-decay", text) == expected


@pytest.mark.parametrize("text", ["", "nan", "inf", "-1", "1e999", "1_0", "0x1", "1,5", "1/2"])
def test_decimal_refused(text):
    with pytest.raises(InputError, match="--weight-decay"):
        parsing.decimal("--weight-decay", text)


def test_positive():
    assert parsing.positive("--eta", "1e-3") == 0.001
    for text in ("0", "0.0", "1e-999", "-1", "nan"):
        with pytest.raises(InputError, match="--eta"):
            parsing.positive("--eta", text)


def test_settings_stay_text():
    assert parsing.settings("--set", ["a=9/10", " b = 0.9 "]) == {"a": "9/10", "b": "0.9"}


@pytest.mark.parametrize("texts", [["a"], ["=1"], ["a="], ["a b=1"], ["1a=1"], ["a=1", "a=2"], [""]])
def test_settings_refused(texts):
    with pytest.raises(InputError, match="--set"):
        parsing.settings("--set", texts)


def test_widths():
    assert parsing.widths("--layers", "64,32,10") == [64, 32, 10]
    for text in ("", "64,", "64;32", "64,a", "6.4,3", "[64,32]"):
        with pytest.raises(InputError, match="--layers"):
            parsing.widths("--layers", text)


def test_figure_path(tmp_path):
    assert parsing.figure_path("--plot", str(tmp_path / "a.PNG")) == tmp_path / "a.PNG"
    (tmp_path / "folder.png").mkdir()
    for name in ("a.jpeg", "a", "", "folder.png", "missing/a.png"):
        with pytest.raises(InputError, match="--plot"):
            parsing.figure_path("--plot", str(tmp_path / name) if name else "")


def test_folder_may_have_to_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    assert parsing.folder("--output", str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert not (tmp_path / "a").exists()
    for bad in (str(tmp_path / "file"), str(tmp_path / "file" / "below"), "", "a\0b"):
        with pytest.raises(InputError, match="--output"):
            parsing.folder("--output", bad)
