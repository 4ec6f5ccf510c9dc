"""A tracker: keeps the last iterates of a run where it is to be looked at, and looks."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from eomsym.checks import check_integer
from eomsym.errors import InputError
from eomsym.result import Result, Table
from eomsym.step_index.lookahead import lookahead_weights
from eomsym.tracking.differences import Differences, as_numpy, differences
from eomsym.tracking.gradient_noise import GradientNoise
from eomsym.tracking.record import Measurement, share_text
from eomsym.tracking.verdict import MEANING, Look, verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from eomsym.derivation.thresholds import EdgeThreshold

#: An order higher than this asks for more differences than float64 has digits.
HIGHEST_ORDER = 8
#: Iterates that a look has at least.
FEWEST_ITERATES = 5
#: Iterates that are kept where they are there: ten second differences are what multipliers are fitted to.
ITERATES = 12
#: Looks at the run that a verdict is taken from together.
TOGETHER = 5
#: Sentences that ``problems`` has at most.
PROBLEMS = 10
#: Measurements among which the most frequent verdict is that of the run.
LATEST = 5
#: Measurements in a table.
ROWS = 20

#: ``callback(step, entries)``.
Callback = Callable[[int, dict[str, Any]], object]


class Tracker(Result):
    """How large each order of the discretization is in a run, from the run's own iterates: no gradient more.

    Call it after each step with the number of steps made and the parameters: arrays of NumPy, JAX or PyTorch, in any
    nest of lists, tuples and mappings.  At each ``every``-th step it takes differences of the last N + 2 iterates (five
    at least), N = ``order``, and calls ``callback(step, entries)`` with the entries of one line of JSON.  With
    ``steps_per_epoch`` it looks at the ends of epochs only, and ``every`` counts those: for batches in a fixed order.
    ``forgets`` is how many steps the optimiser's memory takes to forget its start; before, the verdict is *transient*.
    ``threshold`` is that of the rule, from ``eomsym.edge_threshold``: then a look says how near the run is to it.
    Memory: N + 2 copies of the parameters, in their type and where they are.
    All ``measurements`` are kept.  It never raises from a call; what cannot be measured is a sentence in ``problems``.
    Raises ``InputError`` here for a bad number, and for ``table()`` and the like while nothing is measured.
    """

    def __init__(
        self,
        order: int = 3,
        every: int = 50,
        *,
        steps_per_epoch: int = 1,
        forgets: int = 0,
        threshold: EdgeThreshold | None = None,
        callback: Callback | None = None,
    ) -> None:
        self.measurements: list[Measurement] = []
        self.problems: list[str] = []
        self.order = check_integer("order", order, 0, HIGHEST_ORDER)
        self.every = check_integer("every", every, 1)
        self.steps_per_epoch = check_integer("steps_per_epoch", steps_per_epoch, 1)
        self.forgets = check_integer("forgets", forgets, 0)
        if callback is not None and not callable(callback):
            raise InputError(f"callback {callback!r}: is called with (step, entries); give a function")
        if threshold is not None and not hasattr(threshold, "products"):
            raise InputError(f"threshold {threshold!r}: give eomsym.edge_threshold(optimizer), or leave it out")
        self._callback, self._threshold = callback, threshold
        self._fewest = max(order + 2, FEWEST_ITERATES)
        self._iterates: deque[list[Any]] = deque(maxlen=max(self._fewest, ITERATES))
        self._spare: list[list[Any]] = []
        self._rates: deque[list[float]] = deque(maxlen=self._iterates.maxlen)
        self._memory = True
        self._recent: deque[Look] = deque(maxlen=TOGETHER)
        self._window: list[list[Any]] | None = None
        self._last: int | None = None
        self._steps = 0
        self._born = 0  # the step at which the memory began

    def __call__(self, step: int, parameters: Any, rate: float | Sequence[float] = 1.0) -> None:
        """Look at the parameters after ``step`` steps, if it is time.

        ``rate`` is the learning rate of this step, or one for each array: where it changes, differences are those in
        the time that passes.
        """
        try:
            self._observe(int(step), parameters, rate)
        except Exception as error:  # a user's loop is worth more than a measurement
            self._iterates.clear()
            self._spare.clear()
            self._report(step, error, "no measurement")

    def _report(self, step: object, error: Exception, what: str) -> None:
        if len(self.problems) < PROBLEMS:
            self.problems.append(f"At step {step}: {what} could be had ({type(error).__name__}: {error}).")

    def _observe(self, step: int, parameters: Any, rate: float | Sequence[float]) -> None:
        self._steps = max(self._steps, step)
        if step % self.steps_per_epoch:
            return
        number = step // self.steps_per_epoch
        wanted = self._iterates.maxlen or 0
        if -number % self.every >= wanted:  # none of the iterates that the next look takes
            self._last = None
            return
        self._window = None  # else twice as many copies were there while new ones are gathered
        if self._last != number - 1:
            self._spare = list(self._iterates)
            self._iterates.clear()
        elif len(self._iterates) == wanted:
            self._spare.append(self._iterates.popleft())
        leaves, spare = list(_leaves(parameters)), self._spare.pop() if self._spare else []
        leaves = [_copied(leaf, old) for leaf, old in zip_longest(leaves, spare[: len(leaves)])]
        if not _alike(self._iterates, leaves):
            self._iterates.clear()
        self._iterates.append(leaves)
        self._rates.append([float(one) for one in np.broadcast_to(np.asarray(rate, dtype=float), len(leaves))])
        self._last = number
        if number % self.every == 0 and len(self._iterates) >= self._fewest:
            self._measure(step)

    def _measure(self, step: int) -> None:
        self._window = list(self._iterates)[-(self.order + 2) :]
        whole = self._differences()
        found, look = whole.last(self.order + 2), Look(whole.last(self._fewest), whole, self._edge, self._memory)
        self._recent.append(look)
        self.measurements.append(
            Measurement(
                step=step,
                shares=found.shares,
                seen=found.seen,
                cosines=(whole.cosine(1), whole.cosine(2), whole.cosine(2, 2)),
                step_length=found.step,
                verdict=verdict(self._recent, step - self._born, self.forgets),
                terms=self._terms(),
                schedule=found.schedule,
                **look.told,
                noise=self._noise(),
            )
        )
        if self._callback is not None:
            self._callback(step, self.measurements[-1].to_dict())

    def _differences(self) -> Differences:
        return differences(list(self._iterates), list(self._rates)[-len(self._iterates) :], self._fewest)

    def field(self, order: int | None = None) -> list[np.ndarray]:
        """``η f̃`` to an order, the tracker's if none is given, at the first iterate of the last look, per parameter.

        ``Σ_{n≤order+1} (−1)^{n+1}/n Δⁿθ`` of the run itself, float64; there from a look on until iterates for the next
        one are gathered.  Raises ``InputError`` while there is none.
        """
        order = self.order if order is None else check_integer("order", order, 0, self.order)
        if self._window is None:
            gone = "track: the iterates of the last look are given up for those of the next; ask right after a look"
            raise InputError(gone if self.measurements else self._missing())
        window = [[as_numpy(leaf).astype(np.float64) for leaf in leaves] for leaves in self._window[: order + 2]]
        return [
            sum(
                float(w) * (after - before)
                for w, before, after in zip(lookahead_weights(order), leaf, leaf[1:], strict=False)
            )
            for leaf in zip(*window, strict=True)
        ]

    @property
    def latest(self) -> Measurement:
        """The last measurement.  Raises ``InputError`` while there is none."""
        if not self.measurements:
            raise InputError(self._missing())
        return self.measurements[-1]

    @property
    def shares(self) -> tuple[float, ...]:
        """The last shares that stand above round-off, gradient flow's first, which is 1."""
        return self.latest.above_round_off

    @property
    def verdict(self) -> str:
        """The most frequent of the last five verdicts, the latest where two are as frequent."""
        last = [one.verdict for one in [self.latest, *reversed(self.measurements[:-1])][:LATEST]]
        return Counter(last).most_common(1)[0][0]

    @property
    def sentence(self) -> str:
        """The verdict, what it means, and what round-off hides."""
        text = f"Step {self.latest.step}: {self.verdict}: {MEANING[self.verdict]}."
        if self.latest.seen and len(self.shares) < len(self.latest.shares):
            text += f" Rounding of theta hides orders above {self.latest.seen - 1}; take float64 for more."
        return " ".join([text, *self.problems])

    @property
    def summary(self) -> str:
        """The latest step, the verdict and the shares."""
        if not self.measurements:
            return self._missing()
        return f"step {self.latest.step}, {self.verdict}, shares ({', '.join(map(share_text, self.shares))})"

    def records(self) -> list[dict[str, Any]]:
        """One row a measurement and order; shares that round-off hides are None."""
        return [
            {"step": one.step, "verdict": one.verdict, "order": n, "share": share if n < max(1, one.seen) else None}
            for one in self.measurements
            for n, share in enumerate(one.shares)
        ]

    def table(self) -> str:
        """Step, share of each order (a dot where round-off hides it) and verdict, of the last 20 measurements."""
        return str(self._rows())

    def report(self) -> list[str | Table]:
        """The last measurements and what they mean."""
        return [self._rows(), self.sentence] if self.measurements else [self._missing()]

    def _rows(self) -> Table:
        noisy = any(one.noise is not None for one in self.measurements)
        head = [
            "step",
            *(f"order {n}" for n in range(len(self.latest.shares))),
            *("schedule", "multiplier", "residual", "edge", "verdict"),
            *["noise in a step"] * noisy,
        ]
        last = self.measurements[-ROWS:]
        noise = [["." if one.noise is None else one.noise.cell] * noisy for one in last]
        cells = [[*one.cells, *cell] for one, cell in zip(last, noise, strict=True)]
        return Table(head, cells, words=(head.index("verdict") - len(head),))

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return self.entries("verdict", "measurements", "problems")

    def plot(self) -> Figure:
        """The share of each order against the step, the verdicts below."""
        from eomsym.tracking.figure import track_figure

        return track_figure(self.measurements or [self.latest])

    def _terms(self) -> tuple[float, ...]:
        """Exact shares, for those who can have them."""
        return ()

    def _edge(self) -> EdgeThreshold | None:
        """The threshold of the rule; those who can read the rule make it when a look needs it."""
        return self._threshold

    def _noise(self) -> GradientNoise | None:
        """What is noise in the gradients, for those who see them."""
        return None

    def _missing(self) -> str:
        wanted = self._fewest * self.steps_per_epoch
        first = -(-wanted // (self.every * self.steps_per_epoch)) * self.every * self.steps_per_epoch
        if self.problems:
            return f"track: nothing is measured. {self.problems[0]}"
        if self._steps == 0:
            return "track: the optimizer has not stepped; make steps inside the context, or call the tracker after each"
        return (
            f"track: {self._steps} steps are made, and order {self.order} is measured first after {first}; make more, "
            "or take a smaller every or order"
        )


def _leaves(parameters: Any) -> Iterable[Any]:
    if isinstance(parameters, Mapping):
        for name in parameters:
            yield from _leaves(parameters[name])
    elif isinstance(parameters, (list, tuple)):
        for part in parameters:
            yield from _leaves(part)
    elif parameters is not None:
        yield parameters if hasattr(parameters, "dtype") else np.asarray(parameters, dtype=np.float64)


def _copied(leaf: Any, old: Any = None) -> Any:
    """As steps may write into a parameter, or give its memory away; into an old copy, as new memory costs more."""
    if not hasattr(leaf, "detach"):
        return leaf.copy()
    leaf = leaf.detach()
    if old is None or (old.shape, old.dtype, old.device) != (leaf.shape, leaf.dtype, leaf.device):
        return leaf.clone()
    return old.copy_(leaf)


def _alike(iterates: Iterable[list[Any]], leaves: list[Any]) -> bool:
    return all([leaf.shape for leaf in kept] == [leaf.shape for leaf in leaves] for kept in iterates)
