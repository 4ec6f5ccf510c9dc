"""Help: at most 80 columns wide, with an example that works."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from inspect import signature
from pathlib import Path

import pytest
import typer

import eomsym
from eomsym import verification as library
from eomsym.cli.app import app
from eomsym.cli.options import ORDERS, DrawnReport, Report, Training
from eomsym.models import ACTIVATIONS, DATASETS, LOSSES

ROOT = Path(__file__).parents[2]
HELPS = [
    (),
    ("layers",),
    ("layers", "translation"),
    ("layers", "scale"),
    ("layers", "conserved"),
    ("drift",),
    ("terms",),
    ("sweep",),
    ("sweep", "run"),
    ("sweep", "table"),
    ("sweep", "plot"),
    ("audit",),
    ("derive",),
    ("generate",),
    ("generate", "mlp"),
    ("generate", "loss"),
    ("verify",),
    ("follow",),
    ("optimizers",),
    ("recommend",),
    ("edge",),
    ("noise",),
    ("track",),
]
HEAVY = ("numpy", "scipy", "sympy", "numba", "matplotlib", "sklearn", "jinja2", "polars", "distributed")


def examples_of(command):
    """The commands that the help of one shows, as they would be typed."""
    return re.findall(r"eomsym .*", typer_command(command).epilog or "")


def typer_command(command):
    found = typer.main.get_command(app)
    for name in command:
        found = found.commands[name]
    return found


@pytest.mark.parametrize("command", HELPS, ids=" ".join)
def test_examples_are_commands_and_options_that_exist(command):
    assert examples_of(command)
    for example in examples_of(command):
        _, *words = shlex.split(example)
        found = typer_command(())
        while hasattr(found, "commands") and words and not words[0].startswith("-"):
            found = found.commands[words.pop(0)]
        known = {name for parameter in found.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, example


DRAWN = ("verify", "follow", "drift", "terms", "noise", "layers translation", "layers scale")
#: Every command that trains; all take the same training.
TRAINING = (*DRAWN, "recommend", "edge", "layers conserved")
GROUPS = {Training: TRAINING, Report: TRAINING, DrawnReport: DRAWN}


def lines_of(name, command):
    """What the help of a command says of an option."""
    (option,) = [one for one in typer_command(command.split()).params if one.name == name]
    # A flag loses its metavar where its help is shown first.
    told = option.metavar or "", option.help, option.default, option.show_default
    return option.opts, option.secondary_opts, told


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_options_of_a_training_are_the_same_in_every_command(run, monkeypatch, group):
    monkeypatch.setenv("COLUMNS", "80")
    first, *others = GROUPS[group]
    for command in others:
        out = run(*command.split(), "--help").out
        for field in fields(group):
            assert lines_of(field.name, command) == lines_of(field.name, first), (command, field.name)
            for option in lines_of(field.name, first)[0]:
                assert option in out


def test_the_page_of_every_command_says_the_same_of_a_training(run, monkeypatch):
    """Wide enough that no line is broken: what stands in the page, and not what it is made of."""
    monkeypatch.setenv("COLUMNS", "400")
    names = {option for field in fields(Training) for option in lines_of(field.name, "verify")[0]}

    def told(command):
        boxed = (line for line in run(*command.split(), "--help").out.splitlines() if line.startswith("│"))
        lines = (re.sub(r"[\s│*]+", " ", line).strip() for line in boxed)
        return {line for line in lines if line.split(" ")[0] in names}

    first = told("verify")
    assert len(first) == len(names)
    assert all(told(command) == first for command in TRAINING)


def test_a_command_has_no_other_name_for_what_a_training_has():
    """What is no option of the training or the report is the command's own, and few are."""
    shared = {field.name for group in (Training, DrawnReport) for field in fields(group)}
    own = {
        "verify": {"state", "after", "resum", "orders", "halvings"},
        "follow": {"steps", "after", "orders", "state"},
        "drift": {"observable", "steps", "after", "orders", "state"},
        "terms": {"order", "steps", "points", "edge"},
        "recommend": {"accuracy", "time", "absolute", "orders"},
        "edge": {"order", "after"},
        "noise": {"steps", "ensemble", "gaussian", "what_if"},
        "layers translation": {"steps", "orders"},
        "layers scale": {"orders"},
        "layers conserved": {"steps", "orders"},
    }
    commands = {command: typer_command(command.split()) for command in TRAINING}
    assert {name: {one.name for one in command.params} - shared for name, command in commands.items()} == own


def test_options_are_the_arguments_of_the_training_and_have_its_defaults():
    """In Python the learning rate, the schedule and the batches are arguments of the same names."""
    arguments = signature(eomsym.Training).parameters
    defaults = {field.name: field.default for field in fields(Training)}
    for name in ("seed", "eta", "schedule", "batches", "precision"):
        assert arguments[name].default == defaults[name], name
    batches = signature(eomsym.Batches).parameters
    for name, word in (("batches", batches["order"].default), ("last_batch", batches["last"].default)):
        assert lines_of(name, "verify")[2][3] == word
    assert ORDERS == library.batches.ORDERS
    for command in TRAINING:
        question = getattr(library, command.split()[-1])
        (first, *_) = signature(question).parameters
        assert first == "training"


def test_every_command_is_looked_at():
    """``HELPS`` is written down so that a command that vanishes is missed too."""

    def walk(found, path):
        yield path
        for name, inner in getattr(found, "commands", {}).items():
            yield from walk(inner, (*path, name))

    assert set(walk(typer.main.get_command(app), ())) == set(HELPS)


@pytest.mark.parametrize("command", HELPS, ids=" ".join)
def test_help_fits_80_columns_and_gives_an_example(run, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    result = run(*command, "--help")
    assert (result.status, result.err) == (0, "")
    assert max(map(len, result.out.splitlines())) <= 80
    assert "eomsym " + " ".join(command) in result.out.partition("Example")[2]
    assert "…" not in result.out, "something was cut off"
    for example in examples_of(command):
        assert example in result.out, "an example is broken into two lines"
    assert "bool" not in result.out, "a flag has no type"
    assert run(*command, "-h") == result


def test_no_command_shows_the_help(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert run() == run("--help")


@pytest.mark.parametrize("command", [("generate", "mlp"), ("verify",)], ids=" ".join)
def test_help_lists_every_choice(run, command):
    words = set(re.findall(r"[\w-]+", run(*command, "--help").out))
    choices = {*ACTIVATIONS, *LOSSES, *(DATASETS if command == ("verify",) else ())}
    assert choices <= words


def test_nothing_heavy_is_imported_for_it():
    """One after the other in one process: the first that imports something is named, and so are those behind it."""
    light = ("--help", "verify --help", "layers scale --help", "terms --help", "edge --help", "noise --help")
    light += ("sweep run --help", "--version", "derive --order x", "derive --order 3")
    program = (
        "import sys; from eomsym.cli import main\n"
        f"for words in {light!r}:\n"
        "    main(words.split())\n"
        f"    found = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    if found: print('imported:', words, found, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "ξ_2" in done.stdout
    assert "imported" not in done.stderr


def test_version(run):
    assert run("--version").out == f"eomsym {eomsym.__version__}\n"


def test_no_colours_in_a_pipe(run_process):
    plain = {name: "" for name in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS") if name in os.environ}
    for arguments in (["--help"], ["nonsense"]):
        result = run_process(*arguments, **plain)
        assert "\x1b" not in result.out + result.err
