"""A second route to the counter terms that shares nothing with the package: plain gradient descent in many digits.

Gradients of a network are written out by hand on object arrays of gmpy2 numbers.  For several tiny step sizes η the
iterates give ``F(η) = (1/η) Σ_n (−1)^{n+1}/n Δ^n y``, which agrees with ``Σ_k η^k f̃_k`` up to the order of the last
difference; a polynomial through these values has the f̃_k as its coefficients.
"""

from collections.abc import Callable
from itertools import pairwise

import gmpy2
import numpy as np
from gmpy2 import mpfr

BITS = 800
SPACING_EXPONENT = -20  # step sizes are multiples of 1e-20


def _map(function: Callable[[mpfr], mpfr]) -> Callable[[np.ndarray], np.ndarray]:
    return np.frompyfunc(function, 1, 1)


def _logistic(x: mpfr) -> mpfr:
    return 1 / (1 + gmpy2.exp(-x))


def _phi(x: mpfr) -> mpfr:
    return gmpy2.exp(-x * x / 2) / gmpy2.sqrt(2 * gmpy2.const_pi())


def _distribution(x: mpfr) -> mpfr:
    return (1 + gmpy2.erf(x / gmpy2.sqrt(mpfr(2)))) / 2


#: Activation and derivative, from the textbook formulas.
ACTIVATIONS: dict[str, tuple[Callable[[mpfr], mpfr], Callable[[mpfr], mpfr]]] = {
    "tanh": (gmpy2.tanh, lambda x: 1 / gmpy2.cosh(x) ** 2),
    "sigmoid": (_logistic, lambda x: _logistic(x) * _logistic(-x)),
    "softplus": (lambda x: gmpy2.log1p(gmpy2.exp(x)), _logistic),
    "gelu": (lambda x: x * _distribution(x), lambda x: _distribution(x) + x * _phi(x)),
    "silu": (lambda x: x * _logistic(x), lambda x: _logistic(x) * (1 + x * _logistic(-x))),
    "sin": (gmpy2.sin, gmpy2.cos),
    "identity": (lambda x: x, lambda x: mpfr(1)),
}


def exact(array: np.ndarray) -> np.ndarray:
    """The same numbers as gmpy2 objects."""
    return _map(lambda x: mpfr(float(x)))(array)


def gradient(
    model, theta: np.ndarray, inputs: np.ndarray, targets: np.ndarray, shares: np.ndarray | None = None
) -> np.ndarray:
    """Gradient of a network's loss, weight decay included, on object arrays.

    ``shares``, a column, says what each sample counts in the mean; all the same if it is not given.
    """
    function, derivative = ACTIVATIONS[model.activation]
    weights, activations, arguments, backs, place = [], [inputs], [], [], 0
    for layer, (rows, columns) in enumerate(pairwise(model.layers)):
        weight = theta[place : place + rows * columns].reshape(rows, columns)
        place += rows * columns
        bias = theta[place : place + columns] if model.bias else 0
        place += columns * model.bias
        weight_back = argument_back = _same
        if layer < len(model.layers) - 2 and model.normalization == "weight":
            weight, weight_back = _normalised(weight, axis=0, centre=False)
        argument = activations[-1].dot(weight) + bias
        if layer < len(model.layers) - 2 and model.normalization in {"layer", "batch"}:
            argument, argument_back = _normalised(
                argument, axis=1 if model.normalization == "layer" else 0, centre=True
            )
        weights.append(weight)
        arguments.append(argument)
        backs.append((weight_back, argument_back))
        activations.append(_map(function)(argument))
    output = arguments[-1]
    if model.loss == "mse":
        delta = output - targets
    else:
        powers = _map(gmpy2.exp)(output)
        delta = powers / powers.sum(axis=1)[:, None]
        for sample, label in enumerate(targets):
            delta[sample, label] -= 1
    delta = delta / len(inputs) if shares is None else delta * shares
    parts = []
    for layer in range(len(weights) - 1, -1, -1):
        weight_back, argument_back = backs[layer]
        delta = argument_back(delta)
        parts += [delta.sum(axis=0)] * model.bias + [weight_back(activations[layer].T.dot(delta)).ravel()]
        if layer:
            delta = delta.dot(weights[layer].T) * _map(derivative)(arguments[layer - 1])
    return np.concatenate(parts[::-1]) + mpfr(model.weight_decay) * theta


def counterterms(
    model,
    theta: np.ndarray,
    inputs: np.ndarray,
    targets: np.ndarray,
    order: int,
    bits: int = BITS,
    spacing: int = SPACING_EXPONENT,
) -> np.ndarray:
    """``[g, ξ_0, …, ξ_{order−1}]`` of gradient descent on a network, rounded to doubles, (order + 1, d)."""
    with gmpy2.context(gmpy2.get_context(), precision=bits):
        samples, labels, shares = (
            distinct(inputs, targets) if model.normalization != "batch" else (inputs, targets, None)
        )
        data = exact(samples), exact(labels) if model.loss == "mse" else labels, shares
        rows = modified_field(lambda y: -gradient(model, y, *data), exact(theta), order + 1, spacing)
        return -np.array(rows).astype(float)


def distinct(inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each sample once, and its share of them all: many digits take their time."""
    whole = np.column_stack([inputs, targets])
    _, places, counts = np.unique(whole, axis=0, return_index=True, return_counts=True)
    return inputs[places], targets[places], _map(lambda count: mpfr(int(count)) / len(inputs))(counts)[:, None]


def problem(model, samples: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parameters of size 0.7, inputs and targets of a network, at random."""
    random, classes = np.random.default_rng(0), model.layers[-1]
    theta = 0.7 * random.standard_normal(sum((rows + model.bias) * columns for rows, columns in pairwise(model.layers)))
    inputs = random.standard_normal((samples, model.layers[0]))
    mse = model.loss == "mse"
    return theta, inputs, random.standard_normal((samples, classes)) if mse else random.integers(0, classes, samples)


def _same(slope: np.ndarray) -> np.ndarray:
    return slope


def _normalised(x: np.ndarray, axis: int, centre: bool) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """x over its norm along an axis (its deviation, if centred), and how a gradient comes back."""
    count = x.shape[axis] if centre else 1
    if centre:
        x = x - x.sum(axis=axis, keepdims=True) / count
    square = (x * x).sum(axis=axis, keepdims=True) / count
    norm = _map(gmpy2.sqrt)(square)

    def back(slope: np.ndarray) -> np.ndarray:
        # d(x/n) = dx/n - x (x.dx) / (count n^3)
        slope = slope / norm - x * (x * slope).sum(axis=axis, keepdims=True) / (count * norm * square)
        return slope - slope.sum(axis=axis, keepdims=True) / count if centre else slope

    return x / norm, back


def modified_field(
    field: Callable[[np.ndarray], np.ndarray], theta: np.ndarray, terms: int, spacing: int = SPACING_EXPONENT
) -> list[np.ndarray]:
    """``[f̃_0, …, f̃_{terms−1}]`` of ``y ↦ y + η f(y)`` by iterates at several step sizes and interpolation in η.

    Step sizes are multiples of ``10^spacing``; coefficient k is found to about ``−3 spacing`` digits, and the number of
    bits must leave these after a loss of ``−spacing (terms + 2)`` digits.
    """
    nodes = range(1, terms + 3)
    samples = []
    for node in nodes:
        eta = node * mpfr(10) ** spacing
        row = [theta]
        for _ in range(terms + 2):
            row.append(row[-1] + eta * field(row[-1]))
        total, n = 0 * theta, 1
        while len(row) > 1:
            row = [after - before for before, after in pairwise(row)]
            total = total + row[0] * (mpfr((-1) ** (n + 1)) / n)
            n += 1
        samples.append(total / eta)
    return _polynomial_coefficients(list(nodes), samples, terms, spacing)


def _polynomial_coefficients(nodes: list[int], samples: list[np.ndarray], terms: int, spacing: int) -> list[np.ndarray]:
    """Monomial coefficients in η of the polynomial through the samples, by expanding Newton's form."""
    divided = list(samples)
    for level in range(1, len(nodes)):
        for i in range(len(nodes) - 1, level - 1, -1):
            divided[i] = (divided[i] - divided[i - 1]) / (nodes[i] - nodes[i - level])
    coefficients = [divided[-1]]
    for i in range(len(nodes) - 2, -1, -1):  # Horner: p ← p (x − node_i) + divided_i
        shifted = [0 * coefficients[0], *coefficients]
        coefficients = [a - nodes[i] * b for a, b in zip(shifted, [*coefficients, 0 * coefficients[0]], strict=True)]
        coefficients[0] = coefficients[0] + divided[i]
    scale = mpfr(10) ** -spacing
    return [coefficient * scale**k for k, coefficient in enumerate(coefficients[:terms])]
