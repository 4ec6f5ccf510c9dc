"""Quantities that are followed along a run: what each is, and its exact derivative along any direction of θ."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.special import logsumexp, softmax

from eomsym.dynamics.differentials import gradient_along
from eomsym.dynamics.kernel import Data
from eomsym.dynamics.spectrum import top_eigenpair
from eomsym.errors import EomsymError, InputError
from eomsym.models import MLP, VectorField
from eomsym.models.array_expression import ArrayExpression
from eomsym.models.losses import LOSS_TABLE
from eomsym.models.outputs import outputs_along
from eomsym.verification.line_differences import line_coefficients

Value = Callable[[np.ndarray], Any]
Along = Callable[[np.ndarray, np.ndarray], Any]

#: Names that stand for an expression; {0} is a layer and {1} the next one.
SHORTHANDS = {
    "norm2": "norm2(theta)",
    "norm2:": "norm2(W{0})",
    "balance:": "norm2(W{1}) - norm2(W{0})",
    "balance-matrix:": "W{0}.T @ W{0} - W{1} @ W{1}.T",
}
NAMES = (
    *("loss", "test-loss", "gradient-norm2", "margin", "sharpness", "sharpness-share"),
    *(f"{name}1" if name.endswith(":") else name for name in SHORTHANDS),
)
#: Beyond so many parameters no trace of the Hessian is taken.
MOST_FOR_TRACE = 500
DIRECTIONS = 4
#: Round-off of a derivative by differences, relative to the value.
JUMPS = 1e-8
#: What changes by less of itself does not change; values below the other have no squares.
STILL, LEAST = 1e-12, 1e-150
#: What a distance from θ is multiplied by, in turn, until loss and observable are defined there.
NEARER = (1.0, 1e-1, 1e-2, 1e-3)
#: The error allowed of a derivative by differences, relative to it, or to the function over ‖θ‖ where that is larger.
ALLOWED = 1e-7
#: A derivative that was given is another one beyond so many of these errors and this part of its size.
DOUBT, AGREED = 10.0, 1e-6


@dataclass(frozen=True)
class Observable:
    """``value(θ)`` is a number or an array; ``along(θ, v)`` its derivative along v (d,), of the same shape.

    ``exact`` says whether the derivative is that of the formula, or one of differences.
    """

    name: str
    value: Value
    along: Along
    exact: bool = True

    def sensitivity(self, theta: np.ndarray) -> float:
        """The largest of ‖derivative‖ along a few random directions: about the norm of the gradient."""
        directions = np.random.default_rng(0).standard_normal((DIRECTIONS, theta.size))
        return max(float(np.linalg.norm(self.along(theta, direction))) for direction in directions)


def read_observable(observable: Any, kernel: Any, data: Data, test: Data | None = None) -> Observable:
    """What is meant by a name, an expression, a function of θ (d,), or a pair (function, its derivative along v).

    Names are those in ``NAMES``, with the number of a layer after the colon; an expression is one in the layers'
    ``W1``, ``b1``, … or the variables of a written loss, and ``theta`` (``models.ArrayExpression``).  ``test`` are
    other samples, for ``test-loss``.  Raises ``InputError`` for what is unknown or has no meaning for this kernel.
    """
    if isinstance(observable, Observable):
        return observable
    if isinstance(observable, str):
        name = observable.strip()
        if name in BY_NAME:
            return BY_NAME[name](kernel, data, test)
        return _expression(name, kernel)
    if isinstance(observable, tuple) and len(observable) == 2 and all(map(callable, observable)):
        function, slope = observable
        return Observable(_called(function), _checked(function), _checked(slope))
    if callable(observable):
        return Observable(_called(observable), _checked(observable), partial(derivative, _checked(observable)), False)
    raise InputError(
        f"observable {observable!r}: give a name ({', '.join(NAMES)}), an expression, or a function of theta"
    )


def check_observable(observable: str, model: MLP) -> None:
    """Raises ``InputError`` for an expression that the network does not have, or a constant.  Needs no kernel."""
    if observable.strip() not in BY_NAME:
        check_moves(_expression(observable.strip(), SimpleNamespace(model=model)), model.initial(0))


def _called(function: Any) -> str:
    return str(getattr(function, "__name__", "function"))


def _checked(function: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """Gives the function copies: whatever it does to its arguments, θ stays."""
    return lambda *vectors: _array(function(*map(np.copy, vectors)))


def _array(value: Any) -> np.ndarray:
    """As float64.  Raises ``InputError`` for what are no finite numbers."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"observable: gave {type(value).__name__}; it has to give a number or an array") from None
    if not np.isfinite(array).all():
        raise InputError("observable: it or its derivative is not finite here; give one that is smooth at theta")
    return array


def derivative(function: Value, theta: np.ndarray, direction: np.ndarray) -> Any:
    """The derivative of ``function`` at ``theta`` (d,) along ``direction`` (d,), of its shape, from its values alone.

    Raises ``InputError`` where its error is not below 1e−7 of it: the function is not smooth there, or noisy.
    """
    value, error, size = _by_differences(function, theta, direction)
    if not error <= ALLOWED * size:
        raise InputError(
            "observable: not smooth enough at theta to be differentiated by differences, uncertain by "
            f"{error:.1e} of {size:.1e}; give a pair (function, its derivative along v), or an expression"
        )
    return value


def check_moves(quantity: Observable, theta: np.ndarray) -> None:
    """Raises ``InputError`` for what does not change around θ, or in jumps alone, such as an accuracy.

    The derivative of either is 0, which would say that it is conserved.
    """
    begin, spread = quantity.value(theta), float(np.sqrt(np.mean(theta**2))) or 1.0
    around: list[tuple[np.ndarray, Any]] = []
    for push in np.random.default_rng(0).standard_normal((DIRECTIONS, theta.size)):
        for nearer in NEARER:
            with suppress(EomsymError), np.errstate(all="ignore"):  # not defined there
                around.append((point := theta + nearer * spread * push, quantity.value(point)))
                break
    if around and all(np.allclose(value, begin, rtol=STILL, atol=0) for _, value in around):
        raise InputError(
            "observable: is the same at theta and around it, to 12 digits: a constant, a function of steps, or numbers "
            "that end in an underflow or a saturation; give one that changes with theta"
        )
    if max(np.abs(value).max(initial=0.0) for value in (begin, *(value for _, value in around))) < LEAST:
        raise InputError(
            f"observable: its values around theta are below {LEAST:g}, where squares of numbers underflow; multiply it"
        )

    def flat(at: np.ndarray) -> bool:
        return bool(spread * quantity.sensitivity(at) <= JUMPS * np.linalg.norm(quantity.value(at)))

    def jumped(at: np.ndarray, value: Any) -> bool:
        with suppress(EomsymError):
            return not np.allclose(value, begin, rtol=JUMPS, atol=1e-12) and flat(at)
        return False

    if flat(theta) and any(jumped(at, value) for at, value in around):
        raise InputError(
            "observable: changes in jumps, with a derivative of zero between them; give one that is smooth, such as "
            "'margin' in the place of an accuracy"
        )


def check_derivative(quantity: Observable, theta: np.ndarray) -> None:
    """Raises ``InputError`` where a derivative that was given is not that of the values, along a random direction.

    So are one that a library has lost on its way (``detach``, ``stop_gradient``, ``item``) and a wrong one of a pair.
    """
    direction = np.random.default_rng(0).standard_normal(theta.size)
    given = _array(quantity.along(theta, direction))
    shape = np.shape(quantity.value(theta))
    if given.shape != shape:
        raise InputError(
            f"observable: its derivative has shape {given.shape}; it has to be {shape}, that of its values"
        )
    value, error, size = _by_differences(quantity.value, theta, direction)
    if np.abs(given - value).max(initial=0) > DOUBT * error + AGREED * size:
        raise InputError(
            f"observable: its derivative along a random direction, {np.linalg.norm(given):.6g}, is not that of its "
            f"values, {np.linalg.norm(value):.6g}; write it without detach, stop_gradient, rounding and item"
        )


def _by_differences(function: Value, theta: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, float, float]:
    """The derivative along ``direction``, its error, and the size that the error is measured by."""
    length, here = float(np.linalg.norm(direction)), function(theta)
    if length == 0:
        return 0 * here, 0.0, 0.0
    unit, offset = direction / length, 0.0 if here.any() else 1.0  # the ladder of steps begins with the size of values
    precision = float(np.finfo(np.float64).eps)
    found = line_coefficients(lambda t: np.ravel(function(theta + t * unit)) + offset, 1, precision)[1]
    size = max(np.abs(found.value).max(), np.abs(here).max() / (np.linalg.norm(theta) or 1.0))
    return length * found.value.reshape(np.shape(here)), length * found.error, length * float(size)


def _expression(text: str, kernel: Any) -> Observable:
    """One of ``SHORTHANDS``, or an expression as it is."""
    found = re.fullmatch(r"([a-z0-9-]+:)(\d{1,4})", text)
    if found and found[1] in SHORTHANDS:
        layer, shorthand = int(found[2]), SHORTHANDS[found[1]]
        last = len(_model(kernel, text).layers) - 1 - ("{1}" in shorthand)
        if not 1 <= layer <= last:
            having = f"layers 1 to {last}" if last else "one layer only"
            what = "layers with one after it" if "{1}" in shorthand else "layers"
            raise InputError(f"observable {text!r}: there is no layer {layer}; this model has {having} ({what})")
        formula = shorthand.format(layer, layer + 1)
    elif ":" in text or re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", text):
        raise InputError(f"observable {text!r}: unknown; choose from {', '.join(NAMES)}, or write an expression")
    else:
        formula = SHORTHANDS.get(text, text)
    made = ArrayExpression(formula)

    def dual(theta: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return made.dual(arrays_of(kernel, theta), arrays_of(kernel, direction))

    return Observable(text, lambda at: dual(at, np.zeros_like(at))[0], lambda at, along: dual(at, along)[1])


def arrays_of(kernel: Any, vector: np.ndarray) -> Mapping[str, np.ndarray]:
    """θ, or a direction, by the names that an expression may use."""
    model: Any = getattr(kernel, "model", None)
    arrays = {"theta": vector}
    if isinstance(model, MLP):
        for layer, (matrix, bias) in enumerate(model.split(vector), start=1):
            arrays |= {f"W{layer}": matrix, **({f"b{layer}": bias} if model.bias else {})}
    elif hasattr(model, "variables"):
        arrays |= dict(zip(model.variables, vector, strict=True))
    return arrays


def _model(kernel: Any, name: str) -> MLP:
    model = getattr(kernel, "model", None)
    if not isinstance(model, MLP):
        raise InputError(f"observable {name!r}: is of a network's layers, and this kernel is of none")
    return model


def _loss(kernel: Any, data: Data, test: Data | None) -> Observable:
    if not hasattr(kernel, "loss"):
        raise InputError("observable 'loss': this kernel gives none; give a function")
    return _scalar("loss", lambda at: kernel.loss(at, *data), lambda at: kernel.gradient(at, *data))


def _test_loss(kernel: Any, data: Data, test: Data | None) -> Observable:
    """The loss on other samples, without weight decay."""
    if test is None:
        raise InputError("observable 'test-loss': no samples to test with; give test=(inputs, targets)")
    decay = _model(kernel, "test-loss").weight_decay
    return _scalar(
        "test-loss",
        lambda at: kernel.loss(at, *test) - decay / 2 * (at @ at),
        lambda at: kernel.gradient(at, *test) - decay * at,
    )


def _gradient_norm(kernel: Any, data: Data, test: Data | None) -> Observable:
    """‖g‖², of which ``2 g·Hv`` is the derivative."""

    def value(theta: np.ndarray) -> Any:
        g = kernel.gradient(theta, *data)
        return np.float64(g @ g)

    def along(theta: np.ndarray, direction: np.ndarray) -> Any:
        return np.float64(2 * kernel.gradient(theta, *data) @ kernel.hessian_vector(theta, direction, *data))

    return Observable("gradient-norm2", value, along)


def _margin(kernel: Any, data: Data, test: Data | None) -> Observable:
    """The mean over samples of ``z_y − log Σ_{j≠y} exp z_j``, the log-odds of the label: a margin that is smooth."""
    model = _model(kernel, "margin")
    if not LOSS_TABLE[model.loss].labels:
        raise InputError("observable 'margin': is of class labels, and this loss has none; take cross-entropy")
    inputs, labels = data
    own = np.arange(model.layers[-1]) == labels[:, None]

    def dual(theta: np.ndarray, direction: np.ndarray) -> tuple[Any, Any]:
        scores, slopes = outputs_along(model, theta, direction, inputs)
        others = np.where(own, -np.inf, scores)
        weights = softmax(others, axis=1)
        margins = scores[own] - logsumexp(others, axis=1)
        return np.mean(margins), np.mean(slopes[own] - (weights * slopes).sum(axis=1))

    return Observable("margin", lambda at: dual(at, 0 * at)[0], lambda at, along: dual(at, along)[1])


def _sharpness(kernel: Any, data: Data, test: Data | None) -> Observable:
    """The largest eigenvalue of H; along r it moves by ``r·g''(v, v)``, v its eigenvector (Hellmann & Feynman)."""
    second = _second_derivative(kernel, data)
    pair = _remembered(partial(top_eigenpair, kernel, data=data))
    return _scalar("sharpness", lambda at: pair(at)[0], lambda at: second(at, pair(at)[1]))


def _sharpness_share(kernel: Any, data: Data, test: Data | None) -> Observable:
    """The largest eigenvalue of H over its trace, the sum of all."""
    if kernel.size > MOST_FOR_TRACE:
        raise InputError(
            f"observable 'sharpness-share': takes a product with H for each parameter; {kernel.size} are too many, at "
            f"most {MOST_FOR_TRACE}"
        )
    second, units = _second_derivative(kernel, data), np.eye(kernel.size)
    pair = _remembered(partial(top_eigenpair, kernel, data=data))
    trace = _remembered(lambda at: sum(kernel.hessian_vector(at, unit, *data) @ unit for unit in units))

    def gradient(theta: np.ndarray) -> Any:
        (top, vector), whole = pair(theta), trace(theta)
        return _array((second(theta, vector) - top / whole * sum(second(theta, unit) for unit in units)) / whole)

    return _scalar("sharpness-share", lambda at: _array(pair(at)[0] / trace(at)), gradient)


def _scalar(name: str, value: Value, gradient: Value) -> Observable:
    """One number by its gradient (d,), which serves all directions from a point."""
    kept = _remembered(gradient)
    return Observable(name, lambda at: np.float64(value(at)), lambda at, along: np.float64(kept(at) @ along))


def _remembered(function: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray], Any]:
    """The same function, its last value kept."""
    kept: list[Any] = [np.empty(0), None]

    def call(theta: np.ndarray) -> Any:
        if not np.array_equal(theta, kept[0]):
            kept[:] = theta.copy(), function(theta)
        return kept[1]

    return call


def _second_derivative(kernel: Any, data: Data) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """``g''(v, v)``, (d,): twice the second coefficient of g along ``θ + ηv``."""
    if isinstance(getattr(kernel, "model", None), VectorField):
        raise InputError("observable 'sharpness': is of the Hessian of a loss, and a vector field has none")
    if not hasattr(kernel, "gradient_series"):
        raise InputError("observable 'sharpness': is not known of a loss function; give it as a function of params")
    if kernel.order < 2:
        raise InputError(
            "observable 'sharpness': takes a third derivative of the loss; give a kernel of order 2 or more"
        )
    series = gradient_along(kernel, data)
    return lambda theta, vector: 2 * series(np.stack([theta, vector, np.zeros_like(theta)]))[2]


#: What needs more of a kernel than its parameters; an expression stands for none of these.
BY_NAME: Mapping[str, Callable[[Any, Data, Data | None], Observable]] = {
    "loss": _loss,
    "test-loss": _test_loss,
    "gradient-norm2": _gradient_norm,
    "margin": _margin,
    "sharpness": _sharpness,
    "sharpness-share": _sharpness_share,
}
