"""What is trained, by what, from where and at which rate: posed once, and every question is a function of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from eomsym.blocks import Blocks
from eomsym.checks import check_choice, check_integer, check_positive, shown
from eomsym.dynamics.kernel import check_order, check_theta, is_double_double
from eomsym.dynamics.kernel_rule import DESCENT, asked_rule, check_rule, rule_name
from eomsym.dynamics.kernel_series import RuleKernel
from eomsym.dynamics.setting import Setting
from eomsym.errors import InputError
from eomsym.models import MLP, ExpressionLoss, VectorField, dataset, default_model
from eomsym.models.data import Dataset
from eomsym.models.data_files import DataFile
from eomsym.optimizers import Optimizer, chosen, get
from eomsym.optimizers.averages import sign_width
from eomsym.optimizers.loop import loop_of
from eomsym.optimizers.registry import label
from eomsym.schedules import Schedule, from_torch_scheduler
from eomsym.schedules.schedule import read_schedules
from eomsym.verification.batches import Batches
from eomsym.verification.own_loss import OwnLoss, moving_leaves, own_loss, read_loader

if TYPE_CHECKING:
    from eomsym.codegen import KernelSpec
    from eomsym.dynamics.vectors import Vector

#: Of the numbers that a kernel computes with.
PRECISIONS = ("double", "double-double")
#: Arguments that the loss is made of; the others are of its rule.
_OF_THE_LOSS = {"model", "data", "theta", "seed", "batches", "variables", "precision"}


#: Optimisers of PyTorch whose steps are rounded to bfloat16, which leaves no derivatives: their rule is run.
IN_HALF_PRECISION = ("Muon",)


class Training:
    """A training as it is run: a loss with its data, a start, an optimiser with exact values, a rate and its loop.

    ``model`` is an ``MLP``, or None for the one that suits the data; a loaded kernel; a loss as text in ``variables``;
    a loss function of JAX's or PyTorch's parameters, ``loss_fn(params)``, or ``loss_fn(params, data)`` where data are
    given; or a PyTorch module with its loss, ``(module, criterion)``.
    ``data`` are a data set's name, a ``Dataset``, a ``DataFile``, the arrays that the kernel takes, or a DataLoader.
    ``optimizer`` is a name, a library's text such as ``"torch.Adam()"``, an ``Optimizer``, a real ``torch.optim``
    object or an optax transformation, or a pair of an ``Optimizer`` and its values, as ``from_torch`` returns; None is
    the kernel's own rule, or gradient descent.  ``hyperparameters`` are its parameters, exact; those not given have the
    values that people use.
    ``eta`` is the learning rate, that of a real object where it is None; some questions choose their own.
    ``theta`` is the start: a vector (d,), a ``state_dict`` or, of a loss function, its ``params``, any pytree; by
    default ``model.initial(seed)``.  ``seed`` also draws data sets by name.
    ``groups`` are ``{pattern: {parameter: value}}`` for parameters of the model whose names match, ``eta_factor`` a
    factor of eta; a real object has its own, and its largest rate is eta.
    ``schedule`` is one of the learning rate, a factor of eta in ``tau`` = n eta, a mapping of names of parameters, and
    ``eta``, to schedules, or a scheduler of PyTorch; ``batches`` are a size, of shuffled batches, or ``Batches``.
    ``precision`` is ``double``, or ``double-double`` for gradient descent on small networks.
    Nothing of the user's is changed.  Raises ``InputError`` for whatever cannot go together.
    """

    def __init__(
        self,
        model: Any,
        data: Any = None,
        optimizer: Any = None,
        eta: float | None = None,
        *,
        theta: Any = None,
        seed: int = 0,
        groups: Any = None,
        schedule: Any = None,
        batches: int | Batches | None = None,
        variables: Sequence[str] | None = None,
        precision: str | None = None,
        **hyperparameters: object,
    ) -> None:
        self._arguments = {
            **{"model": model, "data": data, "optimizer": optimizer, "eta": eta, "theta": theta, "seed": seed},
            **{"groups": groups, "schedule": schedule, "batches": batches, "variables": variables},
            "precision": precision,
            **hyperparameters,
        }
        self.seed = check_integer("seed", seed)
        if hasattr(data, "batch_size") and hasattr(data, "dataset"):
            data, how = read_loader(data)
            batches = Batches(**how) if batches is None else batches
        self.batches = Batches(batches) if isinstance(batches, (int, np.integer)) else batches
        if not isinstance(self.batches, Batches | None):
            raise InputError(f"batches {shown(batches)}: give a size, or eomsym.Batches")
        self._read_loss(model, data, theta, variables, precision)
        self._read_rule(optimizer, eta, groups, schedule, **hyperparameters)

    def with_(self, **changes: Any) -> Training:
        """Returns the training with other arguments, ``with_(eta=0.1)``; a loss that stays is shared.

        At another rate a real optimiser is taken by its rule, as the object has a rate of its own, in whose place the
        other one goes.  Raises ``InputError`` for one that has no rule here, or has made steps.
        """
        arguments = {**self._arguments, **changes}
        if "eta" in changes and not changes.keys() & {"optimizer", "schedule"} and self._is_of_objects:
            self.check_cold("its rule is run at other rates, from the rule's own start")
            schedules = None if self.loop is None else self.loop.schedules or None
            arguments |= {"optimizer": self.rule, "schedule": schedules}
        if changes.keys() & _OF_THE_LOSS:
            return Training(**arguments)
        other = copy(self)
        other._arguments = arguments
        other._read_rule(**{name: value for name, value in arguments.items() if name not in _OF_THE_LOSS})
        return other

    def at(self, eta: float) -> Training:
        """Returns the training at another rate: ``with_(eta=eta)``."""
        return self.with_(eta=eta)

    @property
    def _is_of_objects(self) -> bool:
        """Whether an optimiser or a scheduler of a library has the rate."""
        optimizer, schedule = self._arguments["optimizer"], self._arguments["schedule"]
        named = optimizer is None or isinstance(optimizer, (str, Optimizer)) or _is_rule(optimizer)
        return not named or hasattr(schedule, "optimizer")

    def __repr__(self) -> str:
        return f"Training({self.setting})"

    @property
    def setting(self) -> Setting:
        """The head of results."""
        model = self.model
        if self.own is not None:
            name = "own loss"
        elif isinstance(model, MLP):
            name = describe_model(model)
        else:
            name = type(self._kernel if model is None else model).__name__
        loop = self.loop
        schedules: Mapping[str, Schedule] = {} if loop is None else loop.schedules
        return Setting(
            optimizer=self.label,
            parameters=tuple((key, str(value)) for key, value in self.values.items() if key not in schedules),
            model=name,
            dataset=self.dataset,
            seed=self.seed if self.dataset or self._theta is None else None,
            eta=self.eta,
            schedules=tuple((key, str(schedule)) for key, schedule in schedules.items()),
            batches=0 if loop is None or loop.batches is None else loop.steps,
            width=None if self._no_rule or (width := sign_width(self.entry, self.values)) is None else float(width),
        )

    # The loss.

    def _read_loss(self, model: Any, data: Any, theta: Any, variables: Any, precision: str | None) -> None:
        self.own: OwnLoss | None = None
        self._made: dict[KernelSpec, Any] = {}
        self._kernel: Any = None
        self.data: tuple[np.ndarray, ...] = ()
        self.dataset = ""
        self.about: dict[str, Any] = {}
        if variables is not None and not isinstance(model, str):
            raise InputError("variables: of a loss that is a text; leave them out")
        if isinstance(model, str):
            model = ExpressionLoss(model, variables)
        self._theta = theta
        if model is None or isinstance(model, (MLP, ExpressionLoss, VectorField)):
            self.model = model
            self._read_data(data)
        elif hasattr(model, "gradient"):
            self._kernel, self.model = model, getattr(model, "model", None)
            self._read_data(data)
        elif callable(model) or (isinstance(model, tuple) and len(model) == 2):
            self.own, self.model = own_loss(model, theta, data), None
            self._kernel, self._theta = RuleKernel(self.own.kernel, get(DESCENT), {}), self.own.kernel.theta
            self.data = self.own.kernel.data
        else:
            wanted = "an MLP, a kernel, a loss as text, a loss function or (module, criterion)"
            raise InputError(f"model {shown(model)}: give {wanted}")
        self.precision = self._checked_precision(precision)

    def _read_data(self, data: Any) -> None:
        if isinstance(data, DataFile):
            data = Dataset.from_file(data)
        if isinstance(data, str | Dataset):
            samples = dataset(data, self.seed)
            self.data, self.dataset, self.about = samples.arrays, samples.name, dict(samples.about)
            if self._kernel is None:
                self.model = self.model or default_model(data)
        elif data is not None:
            self.data = tuple(data) if isinstance(data, (tuple, list)) else (data,)
        if self.model is None and self._kernel is None:
            raise InputError("model: none given, and only data by name or a Dataset have a default; give an MLP")
        if isinstance(self.model, MLP) and not self.data:
            raise InputError("data: none given; give a data set's name, a Dataset or (inputs, targets)")

    def _checked_precision(self, precision: str | None) -> str:
        if self._kernel is None:
            return check_choice("precision", precision or "double", PRECISIONS)
        has = PRECISIONS[is_double_double(self._kernel)]
        if precision not in (None, has):
            raise InputError(f"precision {precision!r}: the kernel's is {has}; leave one of the two out")
        return has

    @cached_property
    def theta(self) -> Vector:
        """The start, (d,), in the training's arithmetic.  Raises ``InputError`` where there is none to draw."""
        theta = self._theta
        if theta is None:
            if not isinstance(self.model, MLP):
                raise InputError("theta: this loss has no network to draw it from; give a vector to start at")
            theta = self.model.initial(self.seed)
        elif isinstance(theta, Mapping):
            from eomsym.codegen.parameters import packed

            if not isinstance(self.model, MLP):
                raise InputError("theta: a mapping is of a network's layers; give a vector")
            theta = packed(self.model, theta)
        sized: Any = self._kernel
        if sized is None:
            assert self.model is not None  # one of the two is there
            sized = SimpleNamespace(size=self.model.size, precision=self.precision)
        return check_theta(sized, theta)

    def kernel(self, order: int, purpose: str = "this question", *, of_rule: bool = False) -> Any:
        """Returns the loss as a kernel to this order: the one given, or one of gradient descent that is generated.

        ``of_rule`` asks for the terms of the training's own rule; of one with maps of blocks or groups they come from
        the kernel of gradient descent.  Raises ``InputError`` where the kernel given has a lower order.
        """
        if of_rule and not self.brings_rule and _sees_blocks(*self.rule):
            return RuleKernel(self.series_kernel(order, purpose), *self.rule)
        if self._kernel is not None:
            check_order(self._kernel, order, purpose)
            if self.own is not None:
                self.own.kernel.check()
                return RuleKernel(self.own.kernel, *self.rule) if of_rule else self._kernel
            return self._kernel
        from eomsym.codegen import KernelSpec, kernel_for
        from eomsym.codegen.store import COMMITTED

        assert self.model is not None
        entry, values = self.rule if of_rule else (None, {})
        name = DESCENT if entry is None else entry.name
        spec = KernelSpec(self.model, order, name, self.precision, tuple(values.items()))
        known = [one for one in (*self._made, *COMMITTED) if _has_terms(one, spec)]
        if not known or known[0] not in self._made:
            self._made[known[0] if known else spec] = kernel_for(known[0] if known else spec)
            return self.kernel(order, purpose, of_rule=of_rule)
        return self._made[known[0]]

    def within(self, order: int) -> int:
        """Returns the order, or that of the kernel given where it is lower."""
        return order if self._kernel is None else min(order, self._kernel.order)

    def highest(self, usual: int) -> int:
        """Returns the order of the kernel given; the usual one where it is generated."""
        return usual if self._kernel is None else int(self._kernel.order)

    def series_kernel(self, order: int, purpose: str) -> Any:
        """Returns the same in doubles, with its gradient along curves.  Raises ``InputError`` for a loss without it."""
        self.check_doubles(purpose)
        kernel = self.kernel(order, purpose)
        if not hasattr(kernel, "gradient_series"):
            raise InputError(
                f"kernel: gives no gradient along a curve (gradient_series), which {purpose} needs; take a generated "
                "kernel of a network or of a written loss"
            )
        return kernel

    def check_doubles(self, purpose: str) -> None:
        """Raises ``InputError`` where numbers are double-double, of which ``purpose`` is not made."""
        if self.precision != "double":
            raise InputError(f"precision 'double-double': {purpose} is made in doubles; take precision='double'")

    @property
    def is_descent(self) -> bool:
        """Whether gradient descent is run by plain steps, and a kernel that was given has no other rule's terms."""
        plain = self.object is None and self.loop is None and self.batches is None
        return plain and self.entry.name == DESCENT and not self.brings_rule

    @property
    def brings_rule(self) -> bool:
        """Whether the kernel given has the terms of another rule than gradient descent."""
        return self._kernel is not None and rule_name(self._kernel) != DESCENT

    # The rule.

    @property
    def _blocks(self) -> Blocks | None:
        """The arrays that θ is made of, by the names that PyTorch has for those of a network."""
        if self.own is not None:
            return self.own.kernel.blocks
        if isinstance(self.model, MLP):
            return self.model.blocks
        names = getattr(self.model, "variables", ())
        return Blocks(((1,),) * len(names), tuple(names)) if names else None

    def _read_rule(self, optimizer: Any, eta: Any, groups: Any, schedule: Any, **given: object) -> None:
        if hasattr(schedule, "optimizer") and hasattr(schedule, "step"):
            optimizer = schedule.optimizer if optimizer is None else optimizer
            if hasattr(optimizer, "param_groups") and optimizer is not schedule.optimizer:
                raise InputError("schedule: is of another optimizer object; give the one that it schedules")
            rate, schedule = from_torch_scheduler(schedule)
            eta = _same_rate(eta, {rate})
        schedules = read_schedules(schedule)
        self.object: Any = None
        self._no_rule, self.is_random = "", False
        if _is_rule(optimizer):
            optimizer, values = optimizer
            given = {**values, **given}
        if optimizer is None or isinstance(optimizer, (str, Optimizer)):
            entry, exact = asked_rule(self._kernel, optimizer, given, (groups, self._blocks))
            if optimizer is None:  # a schedule takes the place of a value that the kernel brings
                exact = {name: value for name, value in exact.items() if name in given or name not in schedules}
            self.label = label(optimizer, entry)
            self._take_rule(entry, exact, schedules)
        else:
            eta = self._read_object(
                optimizer, eta, schedules, {**given, **({} if groups is None else {"groups": groups})}
            )
        self.eta = None if eta is None else check_positive("eta", eta)

    def _take_rule(self, entry: Optimizer, exact: Mapping[str, Fraction], schedules: Mapping[str, Schedule]) -> None:
        batches = None
        self.is_random = self.batches is not None and self._is_random(self.batches, entry, schedules)
        if self.batches is not None and not self.is_random:
            batches = self.batches.of(self.samples)
        self.entry, self.loop = entry, None
        if schedules or batches is not None:
            self.loop = loop_of(entry, schedules, batches, **exact)
        self.values: Mapping[str, Fraction] = entry.complete(exact) if self.loop is None else self.loop.values

    def _is_random(self, batches: Batches, entry: Optimizer, schedules: Mapping[str, Schedule]) -> bool:
        """Whether a run cannot be made again: the mean over all orders is known of plain descent alone."""
        has_mean = entry.name == DESCENT and not schedules
        return batches.is_drawn or (batches.order == "shuffled" and not has_mean)

    @property
    def samples(self) -> int:
        """How many there are, 0 of a loss without data.  Raises ``InputError`` for arrays of several counts."""
        counts = {len(array) if array.ndim else 0 for array in self.data} or {0}
        if len(counts) > 1:
            raise InputError(
                f"data: arrays of {', '.join(map(str, sorted(counts)))} samples; for batches give as many in each"
            )
        return counts.pop()

    def _read_object(
        self, optimizer: Any, eta: Any, schedules: Mapping[str, Schedule], given: Mapping[str, object]
    ) -> Any:
        """Reads a real optimiser: its rule where it has one, and itself where it is stepped.  Returns its rate."""
        is_torch = hasattr(optimizer, "param_groups")
        if not is_torch and not all(hasattr(optimizer, name) for name in ("init", "update")):
            raise InputError(
                f"optimizer {shown(optimizer)}: give a name, an Optimizer, a torch.optim object or optax's"
            )
        for name in given:
            raise InputError(f"{name}: beside a real optimizer, which has its own values; leave it out")
        optimizer = getattr(optimizer, "inner_opt", optimizer)  # of MultiSteps: its k calls with one batch are one step
        self.label = f"torch.{type(optimizer).__name__}" if is_torch else "optax transformation"
        rates = {float(group["lr"]) for group in optimizer.param_groups} if is_torch else set()
        if is_torch and not (schedules and eta is not None):  # a scheduler has said what its factor is of
            eta = _same_rate(eta, {max(rates)})
        by_rule = is_torch and type(optimizer).__name__ in IN_HALF_PRECISION
        try:
            if is_torch:
                arrays = [] if self.own is None else moving_leaves(self.own.params)
                self._take_rule(*chosen(optimizer, {}, None, self._blocks, arrays), schedules)
            else:
                from eomsym.jax.optax_rules import rule_and_rate

                params = None if self.own is None else self.own.params
                entry, values, inside = rule_and_rate(optimizer, params)
                self._take_rule(entry, values, schedules)
                rates = {inside}
        except InputError as error:
            if schedules or self.batches is not None or self.own is None or by_rule:
                raise
            self._no_rule, self.loop, self.values = str(error), None, {}
        if self.own is None or self.loop is not None or by_rule:
            _check_cold(optimizer, "it is followed by its rule, from the rule's own start")
            eta = eta if is_torch else _same_rate(eta, rates)
        else:
            self.object = optimizer
            if not is_torch and eta is not None:
                raise InputError(f"eta {eta!r}: an optax transformation has its learning rate inside; give None")
        return eta

    @property
    def rule(self) -> tuple[Optimizer, Mapping[str, Fraction]]:
        """The optimiser and all its parameters.  Raises ``InputError`` for a real object that has no rule here."""
        if self._no_rule:
            raise InputError(self._no_rule)
        return self.entry, self.values

    def check_descent(self, purpose: str) -> None:
        """Raises ``InputError`` unless gradient descent is trained with, by plain steps."""
        if self.object is not None or self.entry.name != DESCENT:
            raise InputError(f"optimizer {self.label!r}: {purpose} is known of gradient-descent; take it")
        self.check_plain(purpose)
        if self._kernel is not None:
            check_rule(self._kernel, self.entry, self.values, "looked at")

    def check_plain(self, purpose: str) -> None:
        """Raises ``InputError`` where steps are not plain ones, at a constant rate on all samples."""
        if self.loop is not None or self.batches is not None:
            name = "schedule" if self.batches is None else "batches"
            raise InputError(f"{name}: {purpose} is known of plain steps, at one rate on all samples; leave it out")

    def check_cold(self, purpose: str) -> None:
        """Raises ``InputError`` where a real object has made steps, whose memory its rule does not begin with."""
        if self.object is not None:
            _check_cold(self.object, purpose)

    def check_made_again(self, purpose: str) -> None:
        """Raises ``InputError`` where batches are drawn anew, so that the run cannot be made again."""
        if self.batches is not None and self.is_random:
            others = (
                "'fixed' or 'shuffled'" if self.batches.is_drawn else "'fixed', gradient descent at a constant rate"
            )
            raise InputError(
                f"batches: in {self.batches.order} order a run of {self.label} is random, and {purpose} is of one that "
                f"can be made again; take {others}, or eomsym.noise"
            )

    def rate(self, purpose: str) -> float:
        """The learning rate.  Raises ``InputError`` where there is none."""
        if self.eta is None and self.object is not None and not hasattr(self.object, "param_groups"):
            raise InputError(
                f"eta: an optax transformation has its own inside, and {purpose} needs its number; take "
                "training.with_(eta=…), or the rule by name, as optimizer='optax.adam()', with eta"
            )
        if self.eta is None:
            raise InputError(f"eta: none given, and {purpose} takes steps of one; give it, as Training(…, eta=0.01)")
        return self.eta


def network_of(training: Training, purpose: str) -> MLP:
    """Returns the training's network.  Raises ``InputError`` for another loss."""
    if not isinstance(training.model, MLP):
        raise InputError(f"model: of no network, and {purpose} is part of one; give an MLP or a kernel of one")
    return training.model


def describe_model(model: MLP) -> str:
    """Describes a network, such as ``64-32-10 tanh cross-entropy``."""
    decay = f" weight-decay {model.weight_decay!r}" if model.weight_decay else ""
    normalised = f" {model.normalization}-normalization" if model.normalization != "none" else ""
    bias = "" if model.bias else " no-bias"
    return f"{'-'.join(map(str, model.layers))} {model.activation}{normalised} {model.loss}{bias}{decay}"


def _has_terms(known: KernelSpec, wanted: KernelSpec) -> bool:
    """Whether a kernel has the terms of another one, and perhaps more."""
    return known.order >= wanted.order and replace(known, order=wanted.order) == wanted


def _is_rule(optimizer: Any) -> bool:
    """Whether it is an optimiser with its values; optax's are tuples too."""
    return isinstance(optimizer, tuple) and isinstance(optimizer[0], Optimizer)


def _sees_blocks(entry: Optimizer, values: Mapping[str, Fraction]) -> bool:
    return entry.grouped or (not entry.numeric_only and bool(entry.rule(**values).images))


def _check_cold(optimizer: Any, purpose: str) -> None:
    if any(getattr(optimizer, "state", {}).values()):
        raise InputError(f"optimizer {type(optimizer).__name__}: has made steps, and {purpose}; give a new object")


def _same_rate(eta: Any, rates: set[float]) -> float:
    """The rate of a real object.  Raises ``InputError`` where another one was given."""
    if eta is not None and rates != {check_positive("eta", eta)}:
        raise InputError(f"eta {eta!r}: the optimizer's own is {', '.join(map(str, sorted(rates)))}; give None")
    return min(rates)
