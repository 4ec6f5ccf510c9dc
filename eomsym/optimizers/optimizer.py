"""What an optimiser is to the rest of the package: a step, parameters, the fields it descends, and a source."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from eomsym.blocks import Blocks
from eomsym.checks import meant, shown, suggestion
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, read_rational
from eomsym.optimizers.blockwise import values_of
from eomsym.optimizers.maps import laid_out
from eomsym.optimizers.rule import UpdateRule
from eomsym.optimizers.tracing import trace, trace_settled

if TYPE_CHECKING:
    import numpy as np


#: Memories of the size of θ and of η: averages of the weights, and the time over which they are averaged.
AVERAGED, AVERAGING_TIME = "averaged weights", "averaging time"
#: The gradient of a field at a point, ``gradient(point, field=0)``, and a state: arrays, or what is traced.
Slope = Callable[..., Any]
Arrays = tuple[Any, ...]


@dataclass(frozen=True)
class Parameter:
    """A parameter of an optimiser other than the step size, with the half-open range ``minimum ≤ value < supremum``.

    ``supremum`` None is no upper bound; ``open_minimum`` leaves the minimum out; ``reason`` says why the range ends
    where it does.  ``default`` is what people use; ``trial`` is a milder value whose transient is short, for
    verification (the default if None).  ``kind`` is ``number``, ``share``, what a memory keeps of itself in a step, or
    what shapes the rule and is never a symbol, ``count`` and ``flag``.  A number that is there with some flags only
    names them in ``brought_by``; where it is given and no flag is, the first of them is set.
    """

    name: str
    symbol: str
    meaning: str
    minimum: Fraction
    supremum: Fraction | None
    default: Fraction | None = None
    trial: Fraction | None = None
    open_minimum: bool = False
    reason: str = ""
    kind: str = "number"
    brought_by: tuple[str, ...] = ()

    def read(self, value: object) -> Fraction:
        """``value`` as an exact rational, 1 or 0 of a flag.  Raises ``InputError`` if it is none or out of range."""
        if self.kind == "flag":
            return Fraction(self._read_flag(value))
        number = read_rational(self.name, value)
        if self.kind == "count" and number.denominator != 1:
            raise InputError(f"{self.name} = {value}: not an integer; give {self.bounds}")
        if not self.holds(number):
            why = f" ({self.reason})" if self.reason else ""
            raise InputError(f"{self.name} = {value}: out of range; give {self.bounds}{why}")
        return number

    def holds(self, number: Fraction | float, slack: float = 0) -> bool:
        """Whether a number is in the range, or below a minimum that belongs to it by no more than ``slack``."""
        above = number > self.minimum if self.open_minimum else number >= self.minimum - slack
        return above and (self.supremum is None or number < self.supremum)

    def _read_flag(self, value: object) -> bool:
        answer = FLAG_WORDS.get(str(value).strip().casefold()) if isinstance(value, (bool, str)) else None
        if answer is None:
            raise InputError(f"{self.name} = {shown(value)}: is a flag; give yes or no, in Python True or False")
        return answer

    def usual(self, *, trial: bool = False) -> Fraction:
        """The default, or trial value.  Raises ``InputError`` if there is none."""
        value = self.verified_at if trial else self.default
        if value is None:
            raise InputError(f"{self.name}: missing; give {', '.join(filter(None, (self.bounds, self.meaning)))}")
        return value

    @property
    def verified_at(self) -> Fraction | None:
        """The value at which ``verify`` measures by default, and the tests measure slopes and predicted errors."""
        return self.default if self.trial is None else self.trial

    @property
    def bounds(self) -> str:
        """The range as people write it: ``0 <= momentum < 1``."""
        if self.kind == "flag":
            return f"{self.name}: yes or no"
        above = "" if self.supremum is None else f" < {self.supremum}"
        return f"{self.minimum} {'<' if self.open_minimum else '<='} {self.name}{above}"


#: How a flag may be answered.
FLAG_WORDS = {"yes": True, "true": True, "no": False, "false": False}


def flag(name: str, meaning: str, default: bool = False) -> Parameter:
    """A parameter that is yes or no."""
    return Parameter(name, "", meaning, Fraction(0), Fraction(2), Fraction(default), kind="flag")


def share(name: str, symbol: str, meaning: str, default: Fraction, trial: Fraction) -> Parameter:
    """What a memory keeps of itself in a step."""
    reason = "the memory β^k must fade, else there is no slow manifold"
    return Parameter(name, symbol, meaning, Fraction(0), Fraction(1), default, trial, reason=reason, kind="share")


def from_zero(name: str, symbol: str, meaning: str, default: Fraction, reason: str = "", *brought_by: str) -> Parameter:
    """A number of at least 0, with the reason why not below."""
    return Parameter(name, symbol, meaning, Fraction(0), None, default, reason=reason, brought_by=brought_by)


#: No coefficient of use is as large.
_LARGEST = Fraction(1000)


def coefficient(name: str, meaning: str, default: Fraction | None = None, positive: bool = False) -> Parameter:
    """A coefficient of a family of optimisers, of any sign or positive."""
    minimum = Fraction(0) if positive else -_LARGEST
    return Parameter(name, name, meaning, minimum, _LARGEST, default, open_minimum=positive)


#: What each kind of field makes of the two halves of the gradient of the loss, and its meaning in words and in LaTeX.
_FIELDS = {
    ("loss", 0): ((1, 1), "gradient of the loss", r"\nabla L \text{, of the loss } L"),
    ("player", 0): ((1, 0), "∇_x L, zero elsewhere", r"(\nabla_{x}L, 0)"),
    ("player", 1): ((0, -1), "−∇_y L, zero elsewhere", r"(0, -\nabla_{y}L)"),
    ("game", 0): ((1, -1), "(∇_x L, −∇_y L)", r"(\nabla_{x}L, -\nabla_{y}L)"),
}


@dataclass(frozen=True)
class Field:
    """What one gradient of an update rule is the gradient of.

    ``loss``: the loss.  ``batch``: the mean loss of batch ``index`` of ``count``, equal parts of the samples in their
    order, or those with the numbers ``members``.  ``local``: the same of a worker, or of one of its batches.
    ``player``: two players share the parameters, half and half; each sees the gradient of its own half, player 0 of the
    loss, player 1 of minus the loss, and zero elsewhere.  ``game``: both players' gradients at once.
    """

    kind: str = "loss"
    index: int = 0
    count: int = 1
    members: tuple[int, ...] = ()

    @property
    def is_game(self) -> bool:
        """Whether two players share the parameters: then it is no gradient of one loss."""
        return self.kind in ("player", "game")

    @property
    def of_samples(self) -> bool:
        """Whether it sees some of the samples only."""
        return self.kind in ("batch", "local")

    @property
    def halves(self) -> tuple[int, int]:
        """What the gradient of the loss is multiplied by, in the first half of the parameters and in the second."""
        return (1, 1) if self.of_samples else _FIELDS[self.kind, self.index][0]

    @property
    def meaning(self) -> str:
        """In words, for people who read the counter terms."""
        if self.of_samples:
            loss = "the mean loss of batch" if self.kind == "batch" else "local loss"
            return f"gradient of {loss} {self.index + 1} of {self.count}"
        return _FIELDS[self.kind, self.index][1]

    @property
    def latex(self) -> str:
        """In LaTeX, for the same."""
        return rf"\text{{{self.meaning}}}" if self.of_samples else _FIELDS[self.kind, self.index][2]

    def samples(self, count: int) -> slice | list[int]:
        """Those of ``count`` samples that it sees.  Raises ``InputError`` if they do not make equal batches."""
        if not self.of_samples:
            return slice(0, count)
        if self.members:
            first, last = self.members[0], self.members[-1]
            in_a_row = self.members == tuple(range(first, last + 1))
            return slice(first, last + 1) if in_a_row else list(self.members)
        share, rest = divmod(count, self.count)
        if rest:
            right = f"leave {rest} out, or take another number of batches"
            raise InputError(f"data: {count} samples do not make {self.count} equal batches; {right}")
        return slice(self.index * share, (self.index + 1) * share)

    def of_loss(self, gradient: np.ndarray) -> np.ndarray:
        """This field's gradient from that of the loss, both (…, d): a new array where they differ."""
        first, second = self.halves
        if (first, second) == (1, 1):
            return gradient
        import numpy as np

        values = np.array(gradient)
        half = values.shape[-1] // 2
        values[..., :half] *= first
        values[..., half:] *= second
        return values


def one_loss(**parameters: Coefficient) -> tuple[Field, ...]:
    """The only field of most rules."""
    return (Field(),)


def spelt(given: Mapping[str, object], names: Iterable[str]) -> dict[str, object]:
    """The values by the names that are meant; what means none of them keeps its own.  Raises ``InputError`` for two."""
    values: dict[str, object] = {}
    known = tuple(names)
    for written, value in given.items():
        name = meant(written, known) or written
        if name in values:
            raise InputError(f"parameter {written!r}: {name} is given twice; give it once")
        values[name] = value
    return values


def _told(step: Callable[..., Any]) -> dict[str, str]:
    """What the docstring of a step function says: its summary, its source and its limits."""
    text = inspect.cleandoc(step.__doc__ or "") if inspect.isroutine(step) else ""
    summary, *others = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    titled = (paragraph.partition(": ") for paragraph in others)
    return {"summary": summary, **{title.lower(): rest for title, _, rest in titled if title in ("Source", "Limits")}}


#: The transient is over when its factor is 2 to minus this: below round-off even after some growth.
FORGOTTEN_BITS = 60


@dataclass(frozen=True, eq=False)
class Optimizer:
    """A registry entry, or a user's own optimiser.

    ``step(gradient, state, eta, **parameters)`` is one step: ``state`` is a tuple of arrays, θ first, the others
    (named by ``memory``) starting at zero, or as ``initial`` says; it returns the next state.
    Its docstring tells people the update; paragraphs ``Source: …`` and ``Limits: …`` may follow.  ``summary``,
    ``source`` and ``limits``, which says where the equation of motion does not hold, are those unless given.
    ``gradient(point, field=0)`` is the gradient of field number ``field`` of ``fields(**parameters)``.  The same
    function is run on arrays and on the symbols of ``trace``, so it may use ``+ − * /``, powers,
    ``eomsym.optimizers.sqrt`` and ``solve``, componentwise.
    ``initial(gradient, theta, **parameters)`` gives the memory before the first step, where it is not zero, as a tuple;
    what is one number for all parameters is an array of shape (1,) there, made as ``0 * theta[:1] + 1``.
    ``steps`` is how many step sizes of time one step takes (m for an epoch of m batches).  ``numeric_only`` says why
    there is no equation of motion on a slow manifold, for rules that can only be stepped.
    ``options`` are flags, and what they bring; ``step`` and ``initial`` take the flags as keywords, all or none.
    ``form(**flags)`` says what else they change: a dictionary of ``memory``, ``limits``, ``numeric_only``.  An
    optimiser with its flags set is another one, a *form* of it: ``plain`` is the one it is a form of.
    ``blocks`` are the arrays that θ is made of, which its maps of blocks see (``on``); of a ``grouped`` rule
    (``optimizers.groups``) they are those whose numbers differ.
    """

    name: str
    step: Callable[..., tuple[Any, ...]]
    parameters: tuple[Parameter, ...] = ()
    memory: tuple[str, ...] = ()
    initial: Callable[..., tuple[Any, ...]] | None = None
    fields: Callable[..., tuple[Field, ...]] = one_loss
    steps: Callable[..., int] = lambda **parameters: 1
    options: tuple[Parameter, ...] = ()
    form: Callable[..., Mapping[str, Any]] | None = None
    aliases: tuple[str, ...] = ()
    summary: str = ""
    source: str = ""
    limits: str = ""
    numeric_only: str = ""
    plain: Optimizer | None = None
    blocks: Blocks | None = None
    grouped: bool = False

    def __post_init__(self) -> None:
        for name, text in _told(self.step).items():
            object.__setattr__(self, name, getattr(self, name) or text)

    def local_losses(self, **parameters: Coefficient) -> int:
        """How many losses its workers have; 0 where it has no workers."""
        return sum(field.kind == "local" for field in self.fields(**parameters))

    def check_ungrouped(self, purpose: str) -> None:
        """Raises ``InputError`` for a rule with groups of parameters, of which ``purpose`` has no one answer."""
        if self.grouped:
            raise InputError(f"optimizer {self.name!r}: has groups of parameters, and {purpose} is of one rule for all")

    def on(self, blocks: Blocks | None) -> Optimizer:
        """Returns the optimiser whose maps see these blocks of θ; None leaves it as it is."""
        return self if blocks in (None, self.blocks) else _on(self, blocks)

    def read_parameters(self, given: Mapping[str, object]) -> dict[str, Fraction]:
        """The given parameters as exact rationals.  Raises ``InputError`` for an unknown name or a bad value."""
        known = {parameter.name: parameter for parameter in self.parameters}
        values: dict[str, Fraction] = {}
        for name, value in spelt(given, known).items():
            if name not in known:
                every = (*known, *(option.name for option in self.options if option.name not in known))
                allowed = ", ".join(every) if every else "none, it has no parameters"
                # "optimizer" is the keyword that is most often misspelt
                near = suggestion(name, (*known, "optimizer")) or suggestion(name, every)
                raise InputError(f"parameter {name!r}: {self.name} does not have it; it takes {allowed}{near}")
            values[name] = known[name].read(value)
        return values

    def complete(self, given: Mapping[str, object], *, trial: bool = False) -> dict[str, Fraction]:
        """All parameters as exact rationals, those not given at their default (or trial) value."""
        values = self.read_parameters(given)
        for parameter in self.parameters:
            if parameter.name not in values:
                values[parameter.name] = parameter.usual(trial=trial)
        return {parameter.name: values[parameter.name] for parameter in self.parameters}

    def rule(self, **parameters: Coefficient) -> UpdateRule:
        """The step as data, with exact numbers or ring elements as parameters, on the slow manifold.

        States that only keep a share of themselves, such as a bias correction's β^n, are zero there and left out.
        Raises ``InputError`` for what ``numeric_only`` speaks of.
        """
        self.check_derivable()
        return trace_settled(self.step, 1 + len(self.memory), parameters)

    def check_derivable(self) -> None:
        """Raises ``InputError`` for a rule that has no equation of motion on a slow manifold."""
        if self.numeric_only:
            raise InputError(f"optimizer {self.name!r}: it can be stepped but not derived, {self.numeric_only}")

    def initial_state(
        self, theta: Any, gradient: Callable[..., Any] | None = None, **parameters: Any
    ) -> tuple[Any, ...]:
        """θ and the memory before the first step, for a flat vector of NumPy, JAX or PyTorch.

        ``gradient`` and ``parameters`` are what ``step`` is given.  Raises ``InputError`` where the memory starts with
        a gradient and none is given.
        """
        if self.initial is None:
            return (theta, *(0 * theta for _ in self.memory))
        initial, own = self.initial, self._no_gradient if gradient is None else gradient
        return (theta, *self._on_arrays(lambda slope, at: initial(slope, at, **parameters), own, theta))

    def run(self, gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, **parameters: Any) -> Any:
        """One step on arrays: ``step``, whose exact numbers are floats there.  Raises ``InputError`` where none can be.

        That is with arrays of JAX and PyTorch.
        """
        return self._on_arrays(lambda slope, *parts: self.step(slope, parts, eta, **parameters), gradient, *state)

    def _on_arrays(self, function: Callable[..., Any], gradient: Callable[..., Any], *state: Any) -> Any:
        """``function(gradient, *state)``; the rules of this package hold no exact numbers and are called at once."""
        with laid_out(self.blocks):
            return self._called(function, gradient, *state)

    def _called(self, function: Callable[..., Any], gradient: Callable[..., Any], *state: Any) -> Any:
        own = not (self.step.__module__ or "").startswith("eomsym.")
        if own and type(state[0]).__module__ == "numpy":
            from eomsym.optimizers.floats import in_floats

            return in_floats(function, gradient, *state)
        try:
            return function(gradient, *state)
        except TypeError as error:
            if not own or "'Fraction'" not in str(error):
                raise
            raise InputError(
                f"optimizer {self.name!r}: {error}; write what such arrays know, state / 2 for Fraction(1, 2) * state, "
                "or make it a parameter"
            ) from error

    def _no_gradient(self, point: Any, field: int = 0) -> Any:
        raise InputError(f"optimizer {self.name!r}: its memory starts with a gradient; give one")

    def transient(self, **parameters: Fraction) -> int:
        """Steps until the start is forgotten, to the last bit of a double.

        A state that keeps the share a of itself fades like a^k at η = 0.  For η > 0 it is slower, on a quadratic at
        worst like a^{k/2} (heavy ball at the edge of convergence), and a memory of one step (a = 0) fades like (ηλ)^k:
        so the rate counted on is the root of the largest a, at least 1/2.
        """
        if not self.memory:
            return 0
        self.rule(**parameters)  # says why not, where there is none
        rule = trace(self.step, 1 + len(self.memory), parameters)
        kept = [rule.self_coefficient(index) for index in range(1, 1 + len(self.memory))]
        shares = [abs(float(share)) for coefficient in kept for share in values_of(coefficient)]
        rate = max(0.5, math.sqrt(max(shares)))
        if rate >= 1:
            raise InputError(f"{self.name}: a state keeps {max(shares):g} of itself in each step and never settles")
        return math.ceil(FORGOTTEN_BITS * math.log(2) / -math.log(rate))


@lru_cache(maxsize=64)
def _on(entry: Optimizer, blocks: Blocks) -> Optimizer:
    """One object for all who ask, by which rules are remembered."""
    return replace(entry, blocks=blocks, plain=entry.plain or entry)
