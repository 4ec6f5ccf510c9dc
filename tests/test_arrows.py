"""Arrows point one way: which room imports which, drawn from the syntax trees, and how long modules are.

A room is a folder or a module of ``eomsym``.  Imports inside functions count, and names of modules that are loaded
when they are needed; imports for types alone do not.
"""

import ast
import re
import tokenize
from functools import cache
from io import StringIO
from pathlib import Path

import pytest

import eomsym
from eomsym.lazy import homes

PACKAGE = Path(eomsym.__file__).parent
HOME = homes(Path(eomsym.__file__).read_text(encoding="utf-8"))

#: From the ground up: a room imports only from floors below its own.
FLOORS = (
    ("errors", "lazy"),
    ("blocks", "checks", "drawing", "exact_numbers", "files"),
    ("double_double", "result", "trees"),
    ("tree_positions",),
    ("notation",),
    ("series",),
    ("models",),
    ("schedules",),
    ("optimizers",),
    ("step_index",),
    ("derivation",),
    ("codegen",),
    ("dynamics",),
    ("tracking",),
    ("arrays",),
    ("jax", "torch"),
    ("verification",),
    ("sweeps",),
    ("cli",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
#: What opens the rooms from outside, and may import any.
DOORS = {"__init__", "__main__"}

#: Of code: blanks, comments and docstrings do not count.
MOST_LINES = 400

_MODULE = re.compile(r"eomsym(\.\w+)+")


@cache
def imports(source):
    """``(module, name)`` of everything from ``eomsym`` that the source imports, name None for a whole module."""
    return tuple(_imports(source))


def _imports(source):
    tree = ast.parse(source)
    conditions = [node for node in ast.walk(tree) if isinstance(node, ast.If) and _for_types(node.test)]
    types_alone = {id(node) for condition in conditions for part in condition.body for node in ast.walk(part)}
    for node in ast.walk(tree):
        if id(node) in types_alone:
            continue
        match node:
            case ast.Import(names=names):
                yield from ((name.name, None) for name in names if _MODULE.fullmatch(name.name))
            case ast.ImportFrom(level=level) if level > 0:
                raise AssertionError(f"line {node.lineno}: relative import; name the room")
            case ast.ImportFrom(module="eomsym", names=names):
                yield from ((f"eomsym.{name.name}", None) for name in names if name.name not in HOME)
                yield from ((HOME[name.name], name.name) for name in names if name.name in HOME)
            case ast.ImportFrom(module=module, names=names) if _MODULE.fullmatch(module):
                yield from ((module, name.name) for name in names)
            case ast.Constant(value=str(text)) if _MODULE.fullmatch(text):
                yield text, None


def _for_types(test):
    return "TYPE_CHECKING" in ast.unparse(test)


def modules(package):
    """``(room, place, source)`` of every module in a room."""
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package)
        if place.parts[0].removesuffix(".py") not in DOORS:
            yield place.parts[0].removesuffix(".py"), place.as_posix(), path.read_text(encoding="utf-8")


def arrows(package):
    """``(from, to, place)`` for every import across rooms."""
    rooms = {room for room, _, _ in modules(package)}
    for room, place, source in modules(package):
        for module, _ in imports(source):
            target = module.split(".")[1]
            if target in rooms - {room}:
                yield room, target, place


def arrows_back(package):
    """Arrows that do not lead to a lower floor."""
    return {(place, target) for room, target, place in arrows(package) if FLOOR[target] >= FLOOR[room]}


def circles(package):
    """Rooms from which a way along the arrows leads back."""
    ways = {}
    for room, target, _ in arrows(package):
        ways.setdefault(room, set()).add(target)

    def reached(room):
        found, waiting = set(), [room]
        while waiting:
            new = ways.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return found

    return {room for room in ways if room in reached(room)}


def private_names(package):
    """``(place, module, name)`` of private modules and names of another room."""
    for room, place, source in modules(package):
        for module, name in imports(source):
            _, target, *inner = module.split(".")
            if target not in {room, "__version__"} and any(part.startswith("_") for part in [*inner, name or ""]):
                yield place, module, name


def too_long(package):
    """Modules with more lines of code than allowed."""
    return {place for _, place, source in modules(package) if code_lines(source) > MOST_LINES}


#: What stands on lines without code.
_IDLE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(source):
    """How many lines have more on them than a comment or a docstring."""
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    code = {line for token in tokens if token.type not in _IDLE for line in _lines(token.start[0], token.end[0])}
    strings = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr) and _is_text(node.value))
    return len(code.difference(*(_lines(node.lineno, node.end_lineno) for node in strings)))


def _is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _lines(first, last):
    return range(first, last + 1)


def test_every_room_has_a_floor():
    assert {room for room, _, _ in modules(PACKAGE)} == set(FLOOR)


def test_every_arrow_leads_down():
    assert arrows_back(PACKAGE) == set()


def test_no_way_leads_back():
    assert len({room for room, _, _ in arrows(PACKAGE)}) > 12
    assert circles(PACKAGE) == set()


def test_no_private_name_is_used_by_another_room():
    assert set(private_names(PACKAGE)) == set()


def test_modules_are_short():
    assert too_long(PACKAGE) == set()


@pytest.fixture
def package(tmp_path):
    """A small package: ``write(place, source)``."""

    def write(place, source):
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(source, encoding="utf-8")
        return tmp_path

    write("__init__.py", "from eomsym.cli import main\n")
    write("trees.py", "")
    write("cli/app.py", "from eomsym.trees import Tree\n")
    return write


UPWARD = {
    "at the top": "from eomsym.cli.app import main",
    "in a function": "def f():\n    from eomsym.cli import app",
    "a whole module": "import eomsym.cli.app",
    "from the package": "from eomsym import cli",
    "by its name": "import_module('eomsym.cli')",
    "where types are not checked": "if TYPE_CHECKING:\n    pass\nelse:\n    from eomsym.cli import app",
}


@pytest.mark.parametrize("source", UPWARD.values(), ids=UPWARD)
def test_an_arrow_up_and_its_circle_are_seen(package, source):
    folder = package("trees.py", source)
    assert arrows_back(folder) == {("trees.py", "cli")}
    assert circles(folder) == {"trees", "cli"}


def test_names_that_are_short_for_others_lead_to_their_home(package):
    package("derivation/counterterms.py", "")
    assert arrows_back(package("trees.py", "from eomsym import derive")) == {("trees.py", "derivation")}


@pytest.mark.parametrize(
    "source",
    [
        "from __future__ import annotations\nif TYPE_CHECKING:\n    from eomsym.cli import app",
        "import os",
        '"""As eomsym.cli does."""',
    ],
)
def test_types_and_words_are_no_arrows(package, source):
    folder = package("trees.py", source)
    assert arrows_back(folder) == circles(folder) == set()


@pytest.mark.parametrize(
    "source",
    ["from eomsym.trees._tables import table", "from eomsym.trees import _table", "import eomsym.trees._tables"],
)
def test_private_names_across_rooms_are_seen(package, source):
    assert [place for place, _, _ in private_names(package("cli/app.py", source))] == ["cli/app.py"]
    assert list(private_names(package("cli/app.py", source.replace("trees", "cli")))) == []


def test_long_modules_are_seen(package):
    assert too_long(package("trees.py", "x = 1\n" * 400)) == set()
    assert too_long(package("trees.py", "x = 1\n" * 401)) == {"trees.py"}


def test_only_code_counts():
    source = """\"\"\"A docstring

of three lines.\"\"\"

# A comment
def f(
    x,  # with one beside it
):
    'Another.'
    text = \"\"\"A text
that is a value.\"\"\"
    return x + text

"""
    assert code_lines(source) == 6
