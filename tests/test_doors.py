"""Every optimiser of one gradient through every door, against exact weights at other nodes in many digits.

The doors are kernels of expressions, JAX and PyTorch; what goes through is a loss and a vector field that is none's
gradient.
"""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from forms import EVERY
from interpreted import interpreted
from own_rules import POWERS

from eomsym import optimizers
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.errors import InputError
from eomsym.models import ExpressionLoss, VectorField
from eomsym.optimizers import Optimizer, Parameter
from eomsym.optimizers.loop import loop_of
from eomsym.optimizers.registry import is_built_in
from eomsym.series.number_rings import decimal_ring
from eomsym.step_index.numbers import program_counterterms
from eomsym.step_index.tables import integer_nodes

ORDER = 3
POINT = (0.7, -0.4)
MODELS = {
    "loss": ExpressionLoss("log(1+exp(2*x*y)) + (x-y)**2/(1+y**2)", ["x", "y"]),
    "field": VectorField("y - x**3; -x - y**3", ["x", "y"]),
}
DOORS = ("kernel", "jax", "torch")


def midpoint_step(gradient, state, eta):
    (theta,) = state
    return (theta - eta * gradient(theta - eta * gradient(theta) / 3),)


def momentum_step(gradient, state, eta, beta, nu):
    theta, average = state
    slope = gradient(theta)
    average = beta * average + (1 - beta) * slope
    return theta - eta * ((1 - nu) * slope + nu * average), average


OWN = {
    "stepped": Optimizer("own-step", midpoint_step, summary="θ⁺ = θ − η g(θ − η g/3)", source="these tests"),
    "with memory": Optimizer(
        "own-momentum",
        momentum_step,
        (
            Parameter("beta", "β", "memory", Fraction(0), Fraction(1), default=Fraction(9, 10)),
            Parameter("nu", "ν", "share", Fraction(0), Fraction(2), default=Fraction(7, 10)),
        ),
        summary="d⁺ = β d + (1−β) g, θ⁺ = θ − η ((1−ν) g + ν d⁺)",
        source="these tests",
        memory=("average",),
    ),
    **{entry.name: entry for entry in POWERS},
    "by a tableau": optimizers.runge_kutta("own-tableau", [[0, 0], ["2/3", 0]], ["1/4", "3/4"]),
}


def is_of_one_gradient(entry):
    return is_built_in(entry) and {field.kind for field in entry.fields(**entry.complete({}))} == {"loss"}


NAMES = [name for name, entry in EVERY.items() if is_of_one_gradient(entry)]


@cache
def exact(model, optimizer, settings):
    """Rows in 100 digits at the nodes 0, 1, 2, …, which no door takes, rounded to doubles."""
    rule = loop_of(optimizer, **dict(settings)).rule({})
    ring = decimal_ring(100)
    point, tables = [ring.number(Fraction(value)) for value in POINT], integer_nodes(rule, ORDER + 1)
    rows = program_counterterms(rule, [MODELS[model].program], point, [], ORDER + 1, ring, tables=tables)
    return np.array([[float(value) for value in row] for row in rows])


def through_kernel(model, optimizer, **settings):
    spec = KernelSpec(MODELS[model], ORDER, optimizers.get(optimizer).name, settings=tuple(settings.items()))
    return interpreted(spec).counterterms(np.array(POINT))


def functions(model, softplus):
    """A loss or a field of parameters that are a dict of arrays of two shapes, as keywords of ``counterterms``."""

    def loss(p):
        x, y = p["x"], p["y"].sum()
        return softplus(2 * x * y) + (x - y) ** 2 / (1 + y**2)

    def field(p):
        x, y = p["x"], p["y"]
        return {"x": x**3 - y.sum(), "y": x + y**3}

    return {"loss_fn": loss} if model == "loss" else {"loss_fn": None, "field": field}


def through_jax(model, optimizer, **settings):
    jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
    import eomsym.jax

    with jax.enable_x64(True):
        params = {"x": jax.numpy.array(POINT[0]), "y": jax.numpy.array(POINT[1:])}
        given = functions(model, jax.nn.softplus)
        rows = eomsym.jax.counterterms(params=params, order=ORDER, optimizer=optimizer, **given, **settings)
        return np.array([[row["x"], row["y"][0]] for row in rows])


def through_torch(model, optimizer, **settings):
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")
    import eomsym.torch

    params = {name: torch.tensor(value, dtype=torch.float64) for name, value in (("x", POINT[0]), ("y", POINT[1:]))}
    given = functions(model, torch.nn.functional.softplus)
    rows = eomsym.torch.counterterms(params=params, order=ORDER, optimizer=optimizer, **given, **settings)
    return np.array([[row["x"].item(), row["y"].item()] for row in rows])


THROUGH = {"kernel": through_kernel, "jax": through_jax, "torch": through_torch}


def assert_exact(door, model, optimizer, settings):
    found = THROUGH[door](model, optimizer, **settings)
    truth = exact(model, optimizer, tuple(settings.items()))
    sizes = np.linalg.norm(truth, axis=1)
    # A row that vanishes, as every second one of a symmetric method, is held against g.
    assert (np.linalg.norm(found - truth, axis=1) <= 1e-12 * np.where(sizes > 1e-12, sizes, sizes[0])).all()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("values", ["default", "trial"])
@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer(name, values, door):
    assert_exact(door, "loss", name, EVERY[name].complete({}, trial=values == "trial"))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("which", OWN)
def test_own_optimizers(which, door):
    assert_exact(door, "loss", OWN[which], {})


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", ["gradient-descent", "implicit-euler", "extragradient", "heavy-ball", "adam"])
def test_vector_fields(name, door):
    assert_exact(door, "field", name, {})


@pytest.mark.parametrize("door", DOORS)
def test_hyperparameters_as_people_write_them(door):
    rows = [THROUGH[door]("loss", "adam", beta1=value, beta2="0.99") for value in (0.8, "4/5", Fraction(4, 5), "0.8")]
    assert all(np.array_equal(row, rows[0]) for row in rows)
    assert not np.array_equal(rows[0], THROUGH[door]("loss", "adam", beta2="0.99"))


@pytest.mark.parametrize("door", ["jax", "torch"])
def test_the_equation_of_motion_is_the_sum(door):
    library = pytest.importorskip(door, reason=f"the extra {door!r} is not installed")
    module = pytest.importorskip(f"eomsym.{door}")
    given = {"order": 1, "optimizer": "heavy-ball", "beta": 0.5}
    params = {"x": library.numpy.ones(2) if door == "jax" else library.ones(2)}
    gradient, term = module.counterterms(lambda p: (p["x"] ** 4).sum(), params, **given)
    field = module.equation_of_motion(lambda p: (p["x"] ** 4).sum(), params, 0.25, **given)
    np.testing.assert_allclose(field["x"], -gradient["x"] - 0.25 * term["x"], rtol=1e-6)


def test_compiled_kernels_do_the_same():
    spec = KernelSpec(MODELS["loss"], ORDER, "adam")
    one, other = (kernel.counterterms(np.array(POINT)) for kernel in (kernel_for(spec), interpreted(spec)))
    np.testing.assert_allclose(one, other, rtol=1e-14)


def test_a_kernel_knows_the_gradient_of_its_loss():
    """Row 0 is c g, ten times g for this memory."""
    kernel = interpreted(KernelSpec(MODELS["loss"], ORDER, "heavy-ball", settings=(("beta", 0.9),)))
    plain = exact("loss", "gradient-descent", ())[0]
    np.testing.assert_allclose(kernel.gradient(np.array(POINT)), plain, rtol=1e-14)
    np.testing.assert_allclose(kernel.counterterms(np.array(POINT))[0], 10 * plain, rtol=1e-14)


def test_there_are_eighteen():
    assert len(NAMES) == 18


WRONG = {
    "a loss and a field": ({"field": abs}, "not both"),
    "neither": ({"loss_fn": None}, "give a loss"),
    "no function": ({"loss_fn": None, "field": 3}, "field 3"),
    "a field of another shape": ({"loss_fn": None, "field": lambda p: {**p, "x": p["y"]}}, "field: returned"),
    "a field of another structure": ({"loss_fn": None, "field": lambda p: p["x"]}, "field: returned"),
    "batches": ({"optimizer": "mini-batches"}, "batches or players"),
    "players": ({"optimizer": "simultaneous-players"}, "batches or players"),
    "an unknown optimiser": ({"optimizer": "descent"}, "'descent': unknown"),
    "an unknown hyperparameter": ({"optimizer": "adam", "momentum": 0.9}, "'momentum': adam does not have it"),
    "no memory that ends": ({"optimizer": "heavy-ball", "beta": 1}, "beta = 1: out of range"),
    "no number": ({"optimizer": "heavy-ball", "beta": "most"}, "not an exact rational"),
}


@pytest.mark.parametrize("door", ["jax", "torch"])
@pytest.mark.parametrize("what", WRONG)
def test_bad_input_is_refused_in_one_line(what, door):
    given, message = WRONG[what]
    library = pytest.importorskip(door, reason=f"the extra {door!r} is not installed")
    module = pytest.importorskip(f"eomsym.{door}")
    array = library.numpy.array if door == "jax" else library.tensor
    params = {"x": array(POINT[0]), "y": array(POINT[1:])}
    with pytest.raises(InputError, match=message) as caught:
        module.counterterms(**{"loss_fn": lambda p: p["x"] ** 2, "params": params, "order": 1, **given})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "what"), [("mini-batches", "batches or players"), ("descent", "unknown")])
def test_kernels_refuse_the_same(name, what):
    with pytest.raises(InputError, match=what):
        KernelSpec(MODELS["loss"], ORDER, name)
    with pytest.raises(InputError, match="beta = 1: out of range"):
        KernelSpec(MODELS["loss"], ORDER, "heavy-ball", settings=(("beta", 1),))


@pytest.mark.parametrize("door", ["jax", "torch"])
def test_a_lookahead_field_passes_over_nothing_that_descent_is_given(door):
    """Coupled decay is the loss with λ/2 ‖θ‖² in it, and the control without differs."""
    library = pytest.importorskip(door, reason=f"the extra '{door}' is not installed")
    field = pytest.importorskip(f"eomsym.{door}").lookahead_field
    gradient = library.grad if door == "jax" else library.func.grad

    def loss(theta, decay=0.0):
        return (theta**4).sum() / 4 + theta[0] * theta[1] + decay / 2 * (theta**2).sum()

    def of(grad_fn, **given):
        if door == "torch":
            found = field(grad_fn, library.tensor(POINT, dtype=library.float64), 0.05, 3, **given)
        else:
            with library.enable_x64(True):
                found = field(grad_fn, library.numpy.array(POINT), 0.05, 3, **given)
        return np.asarray(found[0] if given else found)

    with_option, without = of(gradient(loss), decay="1/10"), of(gradient(loss))
    expected = of(gradient(lambda theta: loss(theta, 0.1)))
    np.testing.assert_allclose(with_option, expected, rtol=0, atol=1e-13)  # its largest entry is 0.6
    assert abs(without - expected).max() > 1e-2
    with pytest.raises(InputError, match="parameter 'beta': gradient-descent does not have it"):
        of(gradient(loss), beta=0.9)
