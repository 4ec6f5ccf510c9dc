"""The table *question × kind of training × rule*: each cell asked, answered or refused, on losses of few parameters."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import shared_kernels

import eomsym
from eomsym.errors import InputError
from eomsym.models import MLP

#: What people write, at the defaults of PyTorch; the rate that they take with it.
RULES = {
    "SGD": ("torch.SGD()", 0.05),
    "momentum": ("torch.SGD(momentum=0.9)", 0.01),
    "Nesterov": ("torch.SGD(momentum=0.9, nesterov=True)", 0.01),
    "RMSprop": ("torch.RMSprop()", 0.001),
    "Adam": ("torch.Adam()", 0.001),
    "AdamW": ("torch.AdamW()", 0.001),
}
YES, REFUSED = "yes", "refused"
NETWORK = MLP([2, 3, 1], "tanh", "mse")
GENERATOR = np.random.default_rng(0)
DATA = GENERATOR.normal(size=(8, 2)), GENERATOR.normal(size=(8, 1))
TEXT = "(x*y - 1)**2/2 + x**2/10 + cos(x + y)/4"
START = np.array([0.7, -0.4])
#: A memory is followed from here on, where Adam's roots are smooth.
AFTER = 10


@dataclass(frozen=True)
class Cell:
    """What was asked, and ``yes``, ``refused`` or a sentence of what went wrong; beside it the refusal's reason."""

    question: str
    kind: str
    rule: str
    answer: str
    reason: str = ""


def _kernel(rule: str, **asked: Any) -> eomsym.Training:
    name, eta = RULES[rule]
    kernel = shared_kernels.kernel("tiny")
    return eomsym.Training(kernel, DATA, name, eta, theta=NETWORK.initial(0), **asked)


def _text(rule: str, **asked: Any) -> eomsym.Training:
    name, eta = RULES[rule]
    return eomsym.Training(TEXT, None, name, eta, variables=("x", "y"), theta=START, **asked)


def _jax(rule: str, optimizer: Any = None, **asked: Any) -> eomsym.Training:
    import jax.numpy as jnp

    def loss(params: Any, data: Any) -> Any:
        inputs, targets = data
        return jnp.mean((jnp.tanh(inputs @ params["w"] + params["b"]) - targets) ** 2)

    params = {"b": jnp.array([0.1]), "w": jnp.array([[0.5], [-0.3]])}
    name, eta = (optimizer, None) if optimizer is not None else RULES[rule]
    return eomsym.Training(loss, DATA, name, eta, theta=params, **asked)


def _module() -> Any:
    import torch

    module = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Tanh()).double()
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[0.5, -0.3]]))
        module[0].bias.copy_(torch.tensor([0.1]))
    return module


def _torch(rule: str, **asked: Any) -> eomsym.Training:
    import torch

    return eomsym.Training((_module(), torch.nn.MSELoss()), DATA, *RULES[rule], **asked)


def _torch_object(rule: str, **asked: Any) -> eomsym.Training:
    import torch

    module, eta = _module(), RULES[rule][1]
    made = {
        "SGD": lambda of: torch.optim.SGD(of, lr=eta),
        "momentum": lambda of: torch.optim.SGD(of, lr=eta, momentum=0.9),
        "Nesterov": lambda of: torch.optim.SGD(of, lr=eta, momentum=0.9, nesterov=True),
        "RMSprop": lambda of: torch.optim.RMSprop(of, lr=eta),
        "Adam": lambda of: torch.optim.Adam(of, lr=eta),
        "AdamW": lambda of: torch.optim.AdamW(of, lr=eta),
    }
    return eomsym.Training((module, torch.nn.MSELoss()), DATA, made[rule](module.parameters()), **asked)


def _optax(rule: str, **asked: Any) -> eomsym.Training:
    import optax

    eta = RULES[rule][1]
    made = {
        "SGD": lambda: optax.sgd(eta),
        "momentum": lambda: optax.sgd(eta, momentum=0.9),
        "Nesterov": lambda: optax.sgd(eta, momentum=0.9, nesterov=True),
        "RMSprop": lambda: optax.rmsprop(eta),
        "Adam": lambda: optax.adam(eta),
        "AdamW": lambda: optax.adamw(eta),
    }
    return _jax(rule, made[rule](), **asked)


KINDS: dict[str, Callable[..., eomsym.Training]] = {
    "network": _kernel,
    "written loss": _text,
    "JAX loss": _jax,
    "PyTorch module": _torch,
    "torch.optim object": _torch_object,
    "optax object": _optax,
}


def _finite(values: Any, what: str) -> str:
    return "" if np.isfinite(list(values)).all() else f"{what} {list(values)} are no numbers"


def _verify(pose: Callable[..., eomsym.Training], rule: str) -> str:
    found = eomsym.verify(pose(rule), range(3))
    return "" if found.passed else "; ".join(f"order {one.order}: {one.reason}" for one in found.orders if one.reason)


def _follow(pose: Callable[..., eomsym.Training], rule: str) -> str:
    found = eomsym.follow(pose(rule), 20, after=0 if rule == "SGD" else AFTER)
    errors = found.errors
    return "" if errors[2] < errors[0] else f"errors {errors} do not fall"


def _drift(pose: Callable[..., eomsym.Training], rule: str) -> str:
    memory = {} if rule == "SGD" else {"state": "whole", "after": AFTER}
    found = eomsym.drift(pose(rule), "loss", range(3), steps=5, **memory)
    wrong = [order for order, reason in found.reasons.items() if not reason]
    return _finite(found.rows.ravel(), "rows") or (f"orders {wrong} without a reason" if wrong else "")


def _terms(pose: Callable[..., eomsym.Training], rule: str) -> str:
    found = eomsym.terms(pose(rule), 10, 2, points=2)
    sizes = [term.size for point in found.points for term in point.terms]
    defects = [term.defect for point in found.points for term in point.terms if term.trees]
    return _finite(sizes, "sizes") or ("" if all(one < 1e-8 for one in defects) else f"defects {defects}")


def _recommend(pose: Callable[..., eomsym.Training], rule: str) -> str:
    training = pose(rule)
    time = 16 * RULES[rule][1]
    found = eomsym.recommend(training, 0.01, time, range(2), relative=True)
    return _finite([value for one in found.advice for value in (one.eta, one.measured_error)], "eta and error")


def _edge(pose: Callable[..., eomsym.Training], rule: str) -> str:
    found = eomsym.edge(pose(rule), order=1, after=0 if rule == "SGD" else AFTER)
    return _finite([found.product, found.errors[found.holds]], "product and error")


def _conserved(pose: Callable[..., eomsym.Training], rule: str) -> str:
    training = pose(rule)
    if pose is _kernel:
        linear = shared_kernels.SPECS["identity mse, no bias"].model
        data = DATA[0], np.repeat(DATA[1], 3, axis=1)
        kernel = shared_kernels.kernel("identity mse, no bias")
        training = eomsym.Training(kernel, data, *RULES[rule], theta=linear.initial(0))
    memory = {} if rule == "SGD" else {"state": "whole", "after": AFTER}
    found = eomsym.conserved(training, range(3), steps=5, **memory)
    return _finite([row for one in found.drifts for row in np.ravel(one.rows)], "rows")


def _noise(pose: Callable[..., eomsym.Training], rule: str) -> str:
    found = eomsym.noise(pose(rule, batches=eomsym.Batches(2)), 8)
    return _finite([*found.traces, *found.expectations["loss"]], "traces and means")


def _implicit_regulariser(pose: Callable[..., eomsym.Training], rule: str) -> str:
    return _finite(eomsym.implicit_regulariser(pose(rule)).values, "values")


def _certify(pose: Callable[..., eomsym.Training], rule: str) -> str:
    if pose is _kernel:  # one of the rule is generated
        samples = DATA[0][:2], DATA[1][:2]
        training = eomsym.Training(NETWORK, samples, *RULES[rule], theta=NETWORK.initial(0))
    else:
        training = pose(rule)
    found = eomsym.certify(training, 1)
    return "" if found.passed else f"errors {found.errors} beside {found.rounding}"


QUESTIONS: dict[str, Callable[[Callable[..., eomsym.Training], str], str]] = {
    "verify": _verify,
    "follow": _follow,
    "drift": _drift,
    "terms": _terms,
    "recommend": _recommend,
    "edge": _edge,
    "conserved": _conserved,
    "noise": _noise,
    "implicit_regulariser": _implicit_regulariser,
    "certify": _certify,
}


@cache
def ask(question: str, kind: str, rule: str) -> Cell:
    """Asks one question of one training.  What is neither an answer nor an ``InputError`` of one line is a fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            wrong = QUESTIONS[question](KINDS[kind], rule)
        except InputError as error:
            reason = str(error)
            return Cell(question, kind, rule, "refused in lines" if "\n" in reason else REFUSED, reason)
        except Exception as error:  # a fault, whatever it is
            return Cell(question, kind, rule, f"{type(error).__name__}: {error}")
    return Cell(question, kind, rule, wrong or YES)


def whole() -> Iterator[tuple[str, str, str]]:
    """All cells."""
    return ((question, kind, rule) for question in QUESTIONS for kind in KINDS for rule in RULES)
