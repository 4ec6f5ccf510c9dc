"""Rules stepped beside the real objects of PyTorch and optax: the same iterates, for every name that has a rule."""

import ast
import dataclasses
import inspect
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest

from eomsym.errors import InputError
from eomsym.optimizers import LIBRARIES, REGISTRY, Optimizer, chosen, get, registry
from eomsym.optimizers.libraries import NO_RULE

STEPS, ETA = 300, 1 / 128
START = np.array([0.9, -0.7, 0.4])
CLOSE, APART = 1e-12, 1e-6

#: Options of each name; the first of each are the defaults.
TORCH = {
    "SGD": (
        "",
        "momentum=0.9",
        "momentum=0.5, nesterov=True",
        "momentum=0.9, dampening=0.3",
        "momentum=0.9, weight_decay=0.01, maximize=True",
        "momentum=0.8, nesterov=True, weight_decay=0.1",
        "momentum=0.8, dampening=0.5, weight_decay=0.1, maximize=True",
        "weight_decay=0.2, dampening=0.5",
        "maximize=True",
    ),
    "Adam": (
        "",
        "betas=(0.8, 0.95), eps=1e-3",
        "weight_decay=0.1",
        "weight_decay=0.1, decoupled_weight_decay=True",
        "maximize=True, weight_decay=0.1",
    ),
    "AdamW": ("", "betas=(0.5, 0.6), eps=0.01, weight_decay=0.3", "maximize=True", "weight_decay=0"),
    "RMSprop": (
        "",
        "alpha=0.9, eps=1e-3",
        "momentum=0.9",
        "centered=True",
        "centered=True, momentum=0.5, weight_decay=0.1, maximize=True",
    ),
    "NAdam": (
        "",
        "betas=(0.8, 0.95), eps=1e-3, momentum_decay=0.1",
        "weight_decay=0.1",
        "weight_decay=0.1, decoupled_weight_decay=True, maximize=True",
    ),
    "Adagrad": ("", "lr_decay=0.1, eps=1e-3", "initial_accumulator_value=0.5, weight_decay=0.1", "maximize=True"),
    "Adadelta": ("", "rho=0.8, eps=1e-3", "weight_decay=0.1, maximize=True"),
    "ASGD": ("lambd=0", "lambd=0.1, alpha=0", "lambd=0, weight_decay=0.1", "lambd=0.1, alpha=0, maximize=True"),
}
OPTAX = {
    "sgd": ("", "momentum=0.9", "momentum=0.5, nesterov=True", "nesterov=True", "momentum=0"),
    "adam": ("", "b1=0.8, b2=0.95, eps=1e-3", "eps_root=1e-4", "nesterov=True", "nesterov=True, eps_root=0.1, eps=0"),
    "adamw": ("", "b1=0.5, b2=0.6, eps=0.01, weight_decay=0.3", "nesterov=True, eps_root=1e-3", "weight_decay=0"),
    "nadam": ("", "b1=0.8, b2=0.95, eps=1e-3", "eps_root=1e-3"),
    "nadamw": ("", "weight_decay=0.1"),
    "adabelief": ("", "b1=0.8, b2=0.95, eps=1e-3, eps_root=1e-3", "nesterov=True, eps_root=1e-4"),
    "adan": ("", "b1=0.9, b2=0.8, b3=0.7, eps=1e-3, eps_root=1e-3, weight_decay=0.1"),
    "rmsprop": (
        "",
        "decay=0.99, eps=1e-3",
        "eps_in_sqrt=False",
        "initial_scale=1, momentum=0.9",
        "momentum=0.5, nesterov=True, bias_correction=True",
        "centered=True, eps=1e-3",
        "centered=True, eps_in_sqrt=False, momentum=0.5, eps=0.1",
        "centered=True, bias_correction=True, eps=0.1",
        "nesterov=True, bias_correction=True",
    ),
    "adagrad": ("", "initial_accumulator_value=1, eps=1e-3"),
    "adadelta": ("", "rho=0.8, eps=1e-3, weight_decay=0.1"),
    "optimistic_gradient_descent": ("", "alpha=0.5, beta=0.7"),
    "optimistic_adam": ("", "b1=0.8, b2=0.95, eps=1e-3, nesterov=False"),
    "optimistic_adam_v2": (
        "",
        "alpha=0.5, beta=0.7, b1=0.8, b2=0.95, eps=1e-3, eps_root=1e-4",
        "nesterov=False, beta=0",
    ),
    "contrib.ademamix": ("", "b1=0.8, b2=0.95, b3=0.99, alpha=2, eps=1e-3, eps_root=1e-3, weight_decay=0.1"),
    "contrib.schedule_free_sgd": ("", "b1=0.5, weight_decay=0.1"),
    "contrib.schedule_free_adamw": ("", "b1=0.5, b2=0.9, eps=1e-3, weight_decay=0.1"),
}
CASES = [
    *(f"torch.{name}({options})" for name, several in TORCH.items() for options in several),
    *(f"optax.{name}({options})" for name, several in OPTAX.items() for options in several),
]


def slope(theta):
    """The gradient of ``Σ_i log cosh(θ_i − a_i) + sin(θ_0 θ_1)/4 + cos(θ_1 + θ_2)/4``.

    Bounded, so that ascent stays finite, and the minimum is not reached: there fast averages jump about it, and what is
    round-off at first doubles every few steps, in the libraries too.
    """
    module = _module(theta)
    x, y, z = theta[0], theta[1], theta[2]
    mixed, shared = module.cos(x * y) / 4, module.sin(y + z) / 4
    parts = (
        module.tanh(x + 3) + y * mixed,
        module.tanh(y - 4) + x * mixed - shared,
        module.tanh(z + 5) - shared,
    )
    return module.stack(parts)


def _module(theta):
    if isinstance(theta, np.ndarray):
        return np
    import torch

    return torch


def ours(text, steps=STEPS):
    """All iterates of the rule that the text stands for, (steps + 1, 3)."""
    return _steps(*chosen(text), steps)


def _steps(entry, exact, steps=STEPS):
    values = {name: float(value) for name, value in exact.items()}

    def gradient(point, field=0):
        return slope(point)

    state = entry.initial_state(START, gradient, **values)
    path = [state[0]]
    for _ in range(steps):
        state = entry.step(gradient, state, ETA, **values)
        path.append(state[0])
    return np.array(path)


def _options(text):
    """What stands in the brackets, as the library takes it."""
    return {option.arg: ast.literal_eval(option.value) for option in ast.parse(text, mode="eval").body.keywords}


def with_torch(text):
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")
    name = text.split("(")[0].removeprefix("torch.")
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # NAdam and ASGD keep their numbers in it
    try:
        theta = torch.nn.Parameter(torch.tensor(START))
        optimizer = getattr(torch.optim, name)([theta], lr=ETA, foreach=False, **_options(text))
        path = [START]
        for _ in range(STEPS):
            theta.grad = slope(theta.detach())
            optimizer.step()
            path.append(theta.detach().numpy().copy())
    finally:
        torch.set_default_dtype(usual)
    return np.array(path)


def with_optax(text):
    jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
    optax = pytest.importorskip("optax", reason="optax is not installed")
    name = text.split("(")[0].removeprefix("optax.")
    with jax.enable_x64(True):
        transformation = attrgetter(name)(optax)(ETA, **_options(text))
        theta = jax.numpy.asarray(START)
        state, path = transformation.init(theta), [START]
        update = jax.jit(transformation.update)
        for _ in range(STEPS):
            moved, state = update(jax.numpy.asarray(slope(np.asarray(theta))), state, theta)
            theta = theta + moved
            path.append(np.asarray(theta))
    return np.array(path)


def theirs(text):
    return with_torch(text) if text.startswith("torch") else with_optax(text)


def distance(one, other):
    """The largest distance of two paths, relative to the path's size."""
    return np.max(np.abs(one - other)) / np.max(np.abs(other))


@pytest.mark.filterwarnings("ignore:`optimistic_adam` is deprecated")
@pytest.mark.parametrize("text", CASES)
def test_the_iterates_are_those_of_the_library(text):
    path = theirs(text)
    assert np.isfinite(path).all()
    assert distance(ours(text), path) < CLOSE


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("torch.SGD(momentum=0.9, nesterov=True)", "nesterov"),
        ("torch.SGD(momentum=0.9)", "nesterov(lookahead=yes)"),
        ("torch.Adam()", "adam(corrected=no)"),
        ("torch.Adam(eps=1e-3)", "adam(inside=yes, corrected=no)"),
        ("torch.RMSprop(eps=1e-3)", "rmsprop(inside=yes)"),
    ],
)
def test_another_definition_is_another_sequence(text, wrong):
    """Textbook Nesterov, Adam without correction, ε on the other side of the root: the tests above would notice."""
    _, exact = chosen(text)
    assert distance(_steps(get(wrong), exact), theirs(text)) > APART


def test_the_undampened_start_is_part_of_the_rule():
    entry, exact = chosen("torch.SGD(momentum=0.9, dampening=0.3)")
    from_zero = _steps(dataclasses.replace(entry, initial=None), exact)
    assert distance(from_zero, with_torch("torch.SGD(momentum=0.9, dampening=0.3)")) > APART


#: Their steps see matrices: tests/jax/test_maps.py and tests/torch/test_maps.py.
MAPS = {"torch.Muon", "optax.contrib.muon", "optax.lamb", "optax.lars"}


def test_every_name_has_a_rule_that_is_stepped_here_or_a_reason():
    stepped = {text.split("(")[0] for text in CASES} | MAPS
    assert {name for name, entry in LIBRARIES.items() if not entry.refused} == stepped
    for name, entry in LIBRARIES.items():
        if entry.refused:
            with pytest.raises(InputError, match=f"{name}: is no rule of eomsym, since .*; choose another"):
                chosen(f"{name}()")


@pytest.mark.parametrize("name", NO_RULE)
def test_a_bare_name_without_a_rule_says_why_and_names_one_that_there_is(name):
    for written in (name, name.replace("_", "-").title(), f"{name}(beta1=0.9)"):
        if get_or_none(name) is None:
            with pytest.raises(InputError, match=r"is no rule of eomsym, since .*; choose another .*such as") as caught:
                chosen(written)
            assert "\n" not in str(caught.value)
            first = str(caught.value).rpartition("such as ")[2].split(" ")[0].rstrip(",").partition("(")[0]
            assert first == "noise" or get(first)
    assert name in ("adafactor",) or get_or_none(name) is None


def get_or_none(name):
    try:
        return get(name)
    except InputError:
        return None


def test_the_names_people_ask_for_are_there():
    assert {"soap", "lion", "signum", "sign_sgd", "sign-descent", "yogi", "amsgrad"} <= set(NO_RULE)
    with pytest.raises(InputError, match="unknown; choose from"):
        get("lionn")


def test_an_optimizer_of_one_s_own_may_have_such_a_name():
    own = Optimizer("fromage", lambda gradient, state, eta: (state[0] - eta * gradient(state[0]),))
    assert get(own) is get("fromage") is own
    REGISTRY.pop("fromage")
    registry._BY_ALIAS.pop("fromage")


@pytest.mark.parametrize("name", ["clip_value", "clip-value", "clip_grad_value"])
def test_clipping_by_value_is_refused_by_name(name):
    for optimizer in ("gradient-descent", "adam", "muon"):
        with pytest.raises(InputError, match=r"clipping by value has a kink in each entry of g, .*; take clip_norm"):
            chosen(optimizer, {name: 1})


def _defaults(function):
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in ("params", "lr", "learning_rate", "self")
    }


def _check_defaults(name, theirs):
    entry = LIBRARIES[name]
    ours = {**entry.defaults, **{option: only for option, (only, _) in entry.fixed.items()}}
    assert set(theirs) - entry.ignored <= set(ours)
    for option in set(theirs) - entry.ignored:
        one, other = ours[option], theirs[option]
        assert _floats(one) == _floats(other), option


def _floats(value):
    if isinstance(value, tuple):
        return tuple(map(float, value))
    return value if value is None or isinstance(value, bool) else float(value)


def test_all_of_torch_optim_is_there_with_its_defaults():
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")
    kinds = {
        name: kind
        for name, kind in vars(torch.optim).items()
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer
    }
    assert {f"torch.{name}" for name in kinds} <= {name for name in LIBRARIES if name.startswith("torch.")}
    for name in TORCH:
        _check_defaults(f"torch.{name}", _defaults(kinds[name].__init__))


def test_all_aliases_of_optax_are_there_with_their_defaults():
    optax = pytest.importorskip("optax", reason="optax is not installed")
    from optax import _src

    names = {name for name in vars(_src.alias) if not name.startswith("_") and hasattr(optax, name)}
    aliases = {name for name in names if callable(getattr(optax, name)) and name not in ("Any", "Callable", "MaskOrFn")}
    assert {f"optax.{name}" for name in aliases} <= set(LIBRARIES)
    for name in OPTAX:
        _check_defaults(f"optax.{name}", _defaults(attrgetter(name)(optax)))


def row(name, entry):
    """The line of the page for one name."""
    if entry.refused:
        return f"| `{name}` | refused: {entry.refused} | |"
    try:
        return f"| `{name}` | yes | `{chosen(f'{name}()')[0].name}` |"
    except InputError as error:
        return f"| `{name}` | in part | refused: {str(error).removeprefix(f'{name}: ')} |"


def test_the_page_lists_every_name_as_it_is():
    page = (Path(__file__).parents[2] / "docs/libraries.md").read_text(encoding="utf-8")
    listed = [line for line in page.splitlines() if line.startswith(("| `torch.", "| `optax."))]
    assert listed == [row(name, entry) for name, entry in LIBRARIES.items()]
