"""Every place where text comes into the package, each a line or two: to fuzz a new one, add it to ``entrances``."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import typer
from fuzzing import Entrance

import eomsym
from eomsym import cli, optimizers, schedules
from eomsym.checks import check_choice
from eomsym.cli import options, parsing
from eomsym.codegen import KernelSpec
from eomsym.codegen.render import render
from eomsym.codegen.store import write_kernel
from eomsym.derivation import Equation
from eomsym.errors import InputError
from eomsym.models import MLP, ExpressionLoss, VectorField, dataset, default_model
from eomsym.trees import parse_tree

EXPRESSIONS = (
    "(1-x)**2 + 100*(y-x**2)**2",
    "x**4 + a*y**2",
    "exp(-x)*sin(a*y) + log(1 + x**2)",
    "softplus(x - y) - sigmoid(0.5*x)",
    "sqrt(1 + x**2)**3 / (2 + cos(y))",
    "erf(x)*atan(y) - tanh(x*y)/3",
)
_OF_EXPRESSIONS = (
    *(
        "x",
        "y",
        "a",
        "0",
        "1",
        "2",
        "0.5",
        "1e3",
        "1/3",
        ".",
        "e",
        "9" * 41,
        "+",
        "-",
        "*",
        "/",
        "**",
        "(",
        ")",
        ",",
        " ",
    ),
    *("exp(", "log(", "sqrt(", "tan(", "sinh(", "cosh(", "erf(", "sigmoid(", "softplus(", "**-1", "**0.5", "**(1/3)"),
    *(
        "log(0)",
        "x/0",
        "sqrt(-1)",
        "x**x",
        "0**0",
        "(x-x)",
        "**100",
        "**101",
        "**-100",
        "j",
        "%",
        "<",
        "if",
        "or",
        "[x]",
    ),
)
_NUMBERS = ("0", "1", "9", "-", "+", ".", "/", "e", "E", "_", " ", "10**10**10", "9**9**9", "0.9", "9/10", "1/0", "0/0")
TREES = ("[]", "[[]]", "[[],[]]", "[[[]],[[],[[]]]]", " [ [ ] , [ ] ] ", "[" * 100 + "]" * 100)
COMMANDS = (
    "derive --order 3",
    "derive heavy-ball --order 2 --set beta=9/10 --format latex",
    "derive adam --order 1 --format json",
    "derive --loss x**4+a*y**2 --variables x,y --parameters a --order 2",
    "derive --field y;-x --variables x,y --order 2",
    "generate mlp --layers 64,32,10 --order 4 --output kernels",
    "generate mlp --layers 2,3,1 --order 4 --loss mse --activation sin --weight-decay 0.1 --precision double-double",
    "generate loss x**2*y --variables x,y --order 3 --output kernels",
    "verify --dataset moons --orders 0:3 --plot slopes.png --format json",
    "verify --optimizer nesterov --dataset teacher --layers 2,3,1 --orders 0,1 --eta 0.1 --halvings 3 --seed 3",
    "layers translation --dataset moons --eta 0.01 --weight-decay 0.01 --steps 10 --orders 0:2",
    "layers scale --dataset moons --normalization weight --eta 0.1 --steps 10",
    "terms --dataset digits-small --order 3 --steps 200 --points 3 --plot terms.png",
    "follow --optimizer heavy-ball --dataset moons --batch-size 50 --last-batch drop --after 5",
    "drift norm2 --dataset moons --batch-size 64 --batches fixed --schedule cosine(2)",
    "recommend --dataset moons --accuracy 0.1 --absolute",
    "edge --dataset moons --eta 0.1 --seed 1",
    "noise --dataset moons --batch-size 8 --batches replacement --steps 10",
    "audit missing.py --order 3 --format json",
    "optimizers --format json",
    "--version",
    "--help",
)
_OF_COMMANDS = (
    *(
        " ",
        " ",
        " ",
        "=",
        "--",
        "-",
        "-h",
        "audit",
        ".py",
        "derive",
        "generate",
        "mlp",
        "loss",
        "verify",
        "layers",
        "scale",
        "terms",
    ),
    *("translation", "--order", "--set", "--format", "--loss", "--field", "--variables", "--parameters", "--layers"),
    *("--activation", "--weight-decay", "--optimizer", "--precision", "--output", "--dataset", "--orders", "--eta"),
    *("--batch-size", "--batches", "--last-batch", "--schedule", "--state", "--after", "follow", "drift", "noise"),
    *("--halvings", "--seed", "--plot", "--check", "--steps", "--points", "--normalization", "--help", "--version"),
    *(
        "json",
        "latex",
        "sympy",
        "text",
        "table",
        "double",
        "adam",
        "sgdw",
        "moons",
        "digits",
        "teacher",
        "0:4",
        "2,3,1",
    ),
    *("1", "4", "16", "40", "99", "x,y", "x**2", "beta=1/2", "a.png", "kernels", "tanh", "mse", "100000,100000"),
)


#: Every entrance, in the order of the table.
NAMES = (
    *("loss", "field", "names", "--set", "--set batches", "number", "--layers", "--orders", "tree"),
    *("counter terms JSON", "specification", "kernel path", "--output", "--plot", "names of things"),
    *("libraries' names", "schedule", "--schedule", "--batches", "command line"),
    *(("sweep file",) if find_spec("eomsym.sweeps") else ()),
)
SWEEPS = (
    """orders = [0, 1]
etas = [0.2, 0.1, 0.05]
seeds = 2
[[optimizer]]
name = "gradient-descent"
[[optimizer]]
name = "heavy-ball"
etas = [1e-1, 5e-2]
[optimizer.parameters]
beta = ["1/2", 0.9]
[[model]]
data = ["moons", "teacher"]
hidden = [3]
activation = ["tanh", "gelu"]
weight-decay = 0.01
""",
    """orders = [2]
etas = [0.1, 0.05]
steps = 4
seeds = [3, 4]
[[optimizer]]
name = "adam"
[[model]]
data = "digits-small"
layers = [8, 4, 10]
normalization = ["none", "weight"]
""",
)
_OF_SWEEPS = (
    *(
        "orders",
        "etas",
        "steps",
        "seeds",
        "name",
        "parameters",
        "data",
        "layers",
        "hidden",
        "activation",
        "loss",
        "beta",
    ),
    *(
        "[[optimizer]]\n",
        "[[model]]\n",
        "[optimizer.parameters]\n",
        " = ",
        "\n",
        "[",
        "]",
        ", ",
        '"',
        "'",
        "{",
        "}",
        "#",
    ),
    *(
        '"adam"',
        '"moons"',
        "0.1",
        "1e9999999",
        "-1e-9999999",
        "1_0",
        "0x10",
        "1979-05-27",
        "true",
        "inf",
        "-nan",
        "9" * 99,
    ),
    *("[0, 1, 2]", "[0.2, 0.1]", "100000", "[" * 300, "a.b.c.d = 1\n", "\\uD800", "\\U0010FFFF", "range", "999999999"),
)


def entrances(folder: Path) -> list[Entrance]:
    """All of them; ``folder`` is an empty one for files that are read."""
    os.environ["EOMSYM_CACHE"] = str(folder / "cache")
    specs = KernelSpec(MLP([1, 2, 1], "sin", "mse"), 1), KernelSpec(ExpressionLoss("x**2*a", ["x"], ["a"]), 1)
    specifications = [spec.to_json() for spec in specs]
    for spec in specs:
        write_kernel(spec, folder / "kernels")
    counterterms = [
        eomsym.derive("gradient-descent", 3).to_json(),
        eomsym.derive("heavy-ball", 2).to_json(),
        eomsym.derive("nesterov", 2, beta="1/2").to_json(),
    ]
    dataset("digits")  # imports what sets environment variables
    optimizer_names = [alias for entry in optimizers.REGISTRY.values() for alias in (entry.name, *entry.aliases)]
    return [
        Entrance("loss", lambda text: ExpressionLoss(text, ["x", "y"], ["a"]), EXPRESSIONS, _OF_EXPRESSIONS),
        Entrance("field", lambda text: VectorField(text, ["x", "y"], ["a"]),
                 ("y;-x", *(f"{text};x" for text in EXPRESSIONS)), (*_OF_EXPRESSIONS, ";", ";")),
        Entrance("names", _names, ("x,y", "w1, w2", "alpha,beta,gamma"),
                 ("x", "y", ",", " ", "_", "__", "1", "lambda", "np", "exp", "None", "x1", "é", ";", "\n")),
        Entrance("--set", _setting, ("beta=9/10", "beta=0.9", " beta = 1/3 ", "epsilon=.5", "beta2=0"),
                 ("beta", "beta1", "beta2", "epsilon", "decay", "=", *_NUMBERS)),
        Entrance("--set batches", lambda text: eomsym.derive("mini-batches", 1, batches=text), ("2", "3", "1", "6"),
                 _NUMBERS),
        Entrance("number", _read(parsing.positive), ("0.01", "1e-2", "3", "+5", "1.", ".5"), _NUMBERS),
        Entrance("--layers", _layers, ("64,32,10", "2,2", "2,16,16,1", "1,1,1,1,1,1,1,1"),
                 (",", "0", "1", "3", "10", "-", "100000", "100001", "999999999", " ", "1,", ",1", "+2", "2.0")),
        Entrance("--orders", _read(parsing.orders_to(11)), ("0:4", "0,2,4", "3", "11", "0:11"),
                 (":", ",", *map(str, range(13)), "-1", "999999999", " ")),
        Entrance("tree", _tree, TREES, ("[", "]", ",", "[]", "[[]]", " ", "(", "1", "[],")),
        Entrance("counter terms JSON", Equation.from_json, counterterms, _of_json(counterterms)),
        Entrance("specification", KernelSpec.from_json, specifications, _of_json(specifications)),
        Entrance("kernel path", eomsym.load, ("kernels", "missing.py", "kernels/missing.py", str(folder)),
                 ("/", "..", ".", "a", ".py", ".json", "kernels", "\0", "~", "/dev/", "zero", "/proc/self/", "mem")),
        Entrance("--output", _read(parsing.folder), ("kernels", "a/b/c", ".", str(folder)),
                 ("/", "..", ".", "a", "\0", "~", "/dev/", "null", "/proc/", " ", "x" * 256)),
        Entrance("--plot", _read(parsing.figure), ("a.png", "b.PDF", "./c.svg"),
                 ("/", "..", ".", "a", "\0", ".png", ".svg", "/dev/", "null", " ", "x" * 256)),
        Entrance("names of things", _thing, (*optimizer_names, "digits", "tanh", "mse", "weight"),
                 ("-", "a", *optimizer_names)),
        Entrance("libraries' names", optimizers.chosen,
                 ("torch.SGD(momentum=1/3, nesterov=True)", "optax.rmsprop()", "torch.Adam(betas=(.9, 1e-3))"),
                 (*optimizers.LIBRARIES, *"()=,/-", "momentum", "betas", "eps", "b1", "True", "None", *_NUMBERS)),
        Entrance("schedule", _schedule, SCHEDULES, _OF_SCHEDULES),
        Entrance("--schedule", lambda text: parsing.schedules(text.split("|")), SCHEDULES, _OF_SCHEDULES),
        Entrance("--batches", _batches, options.ORDERS, ("fixed", "inde", "pendent", *"0123,-. ")),
        Entrance("command line", _command, COMMANDS, _OF_COMMANDS, lambda text: text.split(" ")),
        *([Entrance("sweep file", _sweep, SWEEPS, _OF_SWEEPS, _in_file(folder / "sweep.toml"))]
          if "sweep file" in NAMES else []),
    ]  # fmt: skip


SCHEDULES = (
    *("(1+cos(pi*tau))/2", "cosine(2, warmup=0.5)", "tau/0.5 until 0.5; exp(0.5-tau)"),
    *("one-cycle(1)", "warmup(0.5) until 1; exponential(2)", "polynomial(2, power=1.5)"),
)
_OF_SCHEDULES = ("cosine(", "until", "tau", "warmup=", "exp", "pi", "linear(1", *";=,()|", *_NUMBERS)


def _schedule(text: str) -> None:
    made = schedules.read_schedule(text)
    made(0.3)
    assert schedules.read_schedule(str(made)) == made


def _read(parser: Callable[[str], Any]) -> Callable[[str], Any]:
    """As typer calls it: what is wrong with a text is told by ``ValueError``."""

    def read(text: str) -> Any:
        try:
            return parser(text)
        except ValueError as error:
            raise InputError(str(error)) from error

    return read


def _batches(text: str) -> None:
    batches = eomsym.Batches(3, check_choice("batches", text, options.ORDERS))
    if not batches.is_drawn:
        batches.of(6)


def _sweep(path: Path) -> None:
    from eomsym.sweeps.plan import read_plan

    read_plan(path)


def _in_file(path: Path) -> Any:
    def write(text: str) -> Path:
        path.write_bytes(text.encode(errors="surrogatepass"))
        return path

    return write


def _names(text: str) -> None:
    ExpressionLoss("x0", ["x0"], [part.strip(" ") for part in text.split(",")])
    names = _read(parsing.names)(text)
    ExpressionLoss("1 + " + "*".join(names), names)


def _setting(text: str) -> None:
    given = parsing.settings([text])
    known = "sgdw" if "decay" in given else "heavy-ball" if "beta" in given else "adamw"
    eomsym.derive(known, 1, **optimizers.get(known).read_parameters(given))


def _layers(text: str) -> None:
    """As far as the bytes of the kernel."""
    render(KernelSpec(MLP(_read(parsing.widths)(text), loss="mse"), 2))


def _tree(text: str) -> None:
    tree = parse_tree(text)
    assert tree.symmetry >= 1
    assert tree.density >= tree.order
    assert parse_tree(str(tree)) == tree


def _of_json(examples: list[str]) -> tuple[str, ...]:
    words = {json.dumps(value) for example in examples for value in _values(json.loads(example))}
    return (
        *sorted(words),
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "null",
        "true",
        "NaN",
        "1e400",
        "-1",
        '"',
        "9" * 5000,
        "\\u0000",
    )


def _values(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *(part for entry in value.values() for part in _values(entry))]
    return [part for entry in value for part in _values(entry)] if isinstance(value, list) else [value]


def _thing(text: str) -> None:
    readers = (
        optimizers.get,
        default_model,
        dataset,
        lambda name: MLP([2, 3, 1], name, "mse"),
        lambda name: MLP([2, 3, 2], "tanh", name),
        lambda name: MLP([2, 3, 2], "tanh", "mse", 0.0, name),
        lambda name: KernelSpec(MLP([2, 2]), 1, precision=name),
    )
    failed = []
    for read in readers:
        try:
            read(text)
        except eomsym.EomsymError as error:
            failed.append(error)
    if len(failed) == len(readers):
        raise failed[0]


class Computed(Exception):
    """The command line has read all that was given, and would begin to compute."""


QUESTIONS = (
    *("verify", "follow", "drift", "conserved", "terms", "translation", "scale", "recommend", "edge", "noise"),
)
#: What computes or writes for long: its arguments are under test here, not it.
WORK = (
    *(
        "eomsym.codegen.store.generate",
        "eomsym.codegen.store.check_committed",
        "eomsym.derivation.closed_forms.closed_form",
    ),
    *(f"eomsym.verification.{question}" for question in QUESTIONS),
)


#: Typer makes all commands anew at each call, which takes longer than to read what is given.
_commands = functools.cache(typer.main.get_command)


def _command(arguments: list[str]) -> None:
    """One line on stderr and nothing else where it is refused."""
    texts = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    derive = eomsym.derive

    def derive_small(optimizer: str, order: int, **parameters: object) -> Any:
        if order > 2:
            raise Computed
        return derive(optimizer, order, **parameters)

    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(texts[0]))
        stack.enter_context(contextlib.redirect_stderr(texts[1]))
        for work in WORK:
            stack.enter_context(mock.patch(work, side_effect=Computed))
        stack.enter_context(mock.patch("eomsym.derive", derive_small))
        stack.enter_context(mock.patch("typer.main.get_command", _commands))
        try:
            status = cli.main(arguments)
        except Computed:
            return
    out, error = ((text.flush(), text.buffer.getvalue().decode())[1] for text in texts)  # type: ignore[attr-defined]
    if status == 0:
        assert error == ""
        return
    assert status == 2, f"status {status}"
    assert out == "", out
    assert error.startswith("eomsym: "), error
    assert error.count("\n") == 1, error
    assert len(error) < 1100, error
    raise eomsym.EomsymError(error.strip())
