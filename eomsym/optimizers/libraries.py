"""Optimisers by the names that PyTorch and optax have for them: ``torch.SGD(momentum=1/3, nesterov=True)``.

Such a text is read by a fixed grammar and never evaluated: a name, and in brackets options ``keyword=value`` whose
values are numbers, fractions, ``True``, ``False``, ``None`` and tuples of these.  The learning rate is not among them:
it is eta, and is given where eta is.
"""

from __future__ import annotations

import ast
import re
from fractions import Fraction
from typing import Any

from eomsym.checks import meant, shown, suggestion
from eomsym.errors import InputError
from eomsym.exact_numbers import read_rational
from eomsym.models.parser import python_tree
from eomsym.optimizers import adam, library_momentum, optax_names, root_mean_square, stepped_only, torch_names
from eomsym.optimizers._base import Optimizer
from eomsym.optimizers._library import RATES, Choice, LibraryOptimizer
from eomsym.optimizers.variants import coupled_decay, decoupled_decay, maximized

#: Every optimiser that is known by a library's name for it, refused ones included.
LIBRARIES: dict[str, LibraryOptimizer] = {entry.name: entry for entry in (*torch_names.CLASSES, *optax_names.ALIASES)}

_TORCH = (
    *torch_names.BASES,
    *map(coupled_decay, torch_names.BASES),
    *map(decoupled_decay, torch_names.DECOUPLED),
)
#: The rules behind the names, by names of their own.
RULES: dict[str, Optimizer] = {
    entry.name: entry
    for entry in (
        *library_momentum.RULES,
        *adam.RULES,
        *root_mean_square.RULES.values(),
        *stepped_only.RULES,
        *_TORCH,
        *map(maximized, _TORCH),
        *map(decoupled_decay, optax_names.DECOUPLED),
    )
}

MAX_LENGTH = 1000
_ALLOWED = re.compile(r"[A-Za-z0-9_.,=()/+\-\s]*", re.ASCII)
_NUMBER = re.compile(r"[0-9.eE+-]+", re.ASCII)
_EXAMPLE = "write it as torch.SGD(momentum=0.9, nesterov=True)"


def is_library_text(name: object) -> bool:
    """Whether it is meant as a library's name: a word, then a dot or a bracket, which no name of the registry has."""
    return isinstance(name, str) and bool(re.match(r"\s*\w+\s*[.(]", name, re.ASCII))


def read_library_text(text: str) -> Choice:
    """The rule and all its parameters from a text such as ``optax.adam(b1=0.9)``.  Raises ``InputError``, one line."""
    call = _syntax_tree(text)
    if not isinstance(call, ast.Call) or call.args:
        raise InputError(f"optimizer {shown(text)}: not a name with options keyword=value in brackets; {_EXAMPLE}")
    entry = _entry(ast.unparse(call.func), text)
    options: dict[str, object] = {}
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in options:
            raise InputError(f"optimizer {shown(text)}: give every option once, by its name; {_EXAMPLE}")
        options[keyword.arg] = _literal(keyword.value, keyword.arg, text)
    return entry.read(options)


def from_torch(optimizer: Any) -> Choice:
    """The rule of a ``torch.optim`` object and its hyperparameters, as ``(Optimizer, dict)``.

    Read from its class and its ``param_groups``, which must agree in all but parameters and learning rate; the learning
    rate itself is left to the caller, who gives it as eta.  Raises ``InputError`` for a class that is not PyTorch's
    own, for one without a rule, and for groups that differ.
    """
    kind = type(optimizer)
    groups = getattr(optimizer, "param_groups", None)
    if kind.__module__.split(".")[:2] != ["torch", "optim"] or not isinstance(groups, list) or not groups:
        raise InputError(
            f"optimizer {kind.__module__}.{kind.__name__}: no class of torch.optim; give torch.optim.Adam, say"
        )
    entry = _entry(f"torch.{kind.__name__}", f"torch.{kind.__name__}")
    first, *others = ({key: value for key, value in group.items() if key not in _OF_A_GROUP} for group in groups)
    for other in others:
        for key in {*first, *other}:
            if first.get(key) != other.get(key):
                raise InputError(
                    f"{entry.name}: {key} is {first.get(key)} in one group and {other.get(key)} in another; "
                    "give all groups the same"
                )
    return entry.read({key: value for key, value in first.items() if key not in entry.ignored})


#: Entries of a parameter group that are no options; the rates and momenta are left by PyTorch's schedulers.
_OF_A_GROUP = frozenset(
    ("params", "param_names", "initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum", *RATES)
)


def _entry(name: str, text: str) -> LibraryOptimizer:
    short = re.sub(r"^torch\.optim\.", "torch.", name)
    found = meant(short, tuple(LIBRARIES))
    if found is None:
        library = name.split(".", maxsplit=1)[0]
        known = [entry for entry in LIBRARIES if entry.startswith(f"{library}.")] or list(LIBRARIES)
        right = f"choose from {', '.join(known)}{suggestion(short, known)}"
        raise InputError(f"optimizer {shown(text)}: {name} is unknown; {right}")
    return LIBRARIES[found]


def _syntax_tree(text: str) -> ast.expr:
    if len(text) > MAX_LENGTH:
        raise InputError(f"optimizer {shown(text)}: {len(text)} characters; give at most {MAX_LENGTH}")
    place = _ALLOWED.match(text).end()  # type: ignore[union-attr]
    if place < len(text):
        raise InputError(f"optimizer {shown(text)}: character {text[place]!r} is not allowed; {_EXAMPLE}")
    return python_tree(text, f"optimizer {shown(text)}", _EXAMPLE)


def _literal(node: ast.expr, name: str, text: str) -> object:
    """What an option is given: a number exactly as it is written, a choice, or a tuple of numbers."""
    match node:
        case ast.Constant(value=bool() | None as value):
            return value
        case ast.Tuple(elts=parts):
            return tuple(_number(part, name, text) for part in parts)
    return _number(node, name, text)


def _number(node: ast.expr, name: str, text: str) -> Fraction:
    """A number, or a quotient of two."""
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        sign, node = (-1 if isinstance(node.op, ast.USub) else 1), node.operand
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        denominator = _plain(node.right, name, text)
        if denominator == 0:
            raise InputError(f"optimizer {shown(text)}: {name} is divided by zero; {_EXAMPLE}")
        return sign * _number(node.left, name, text) / denominator
    return sign * _plain(node, name, text)


def _plain(node: ast.expr, name: str, text: str) -> Fraction:
    written = ast.get_source_segment(text.strip(), node) if isinstance(node, ast.Constant) else None
    if written is None or not _NUMBER.fullmatch(written):
        raise InputError(f"optimizer {shown(text)}: {name} is no number, True, False, None or tuple; {_EXAMPLE}")
    return read_rational(name, written)
