"""Names of libraries as text and as objects: what is read, what every door makes of it, and what is refused."""

import re
import types
from fractions import Fraction

import numpy as np
import pytest
from forms import UNLISTED
from hypothesis import example, given, settings
from hypothesis import strategies as st

import eomsym
from eomsym import optimizers
from eomsym.derivation import modified_loss
from eomsym.derivation.closed_forms import closed_form
from eomsym.dynamics import optimizer_path
from eomsym.errors import InputError
from eomsym.models import ExpressionLoss
from eomsym.optimizers import LIBRARIES, chosen, from_torch, get
from eomsym.optimizers.registry import is_built_in

NESTEROV = "torch.SGD(momentum=1/3, nesterov=True)"


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("torch.SGD()", "gradient-descent", {}),
        ("torch.optim.SGD(momentum=0.9)", "heavy-ball", {"beta": "9/10"}),
        (" torch.SGD( nesterov = True,\n momentum = +1/3 ) ", "nesterov(lookahead=yes)", {"beta": "1/3"}),
        ("torch.SGD(momentum=.5, maximize=True, foreach=None)", "heavy-ball(maximize=yes)", {"beta": "1/2"}),
        (
            "torch.Adam(eps=1e-8, betas=(1/2, 0.12345678901234567890123456789))",
            "adam",
            {"beta1": "1/2", "beta2": "0.12345678901234567890123456789", "epsilon": "1e-8"},
        ),
        ("optax.sgd(momentum=None, nesterov=True)", "gradient-descent", {}),
        ("optax.rmsprop()", "rmsprop(inside=yes)", {"beta2": "9/10", "epsilon": "1e-8"}),
        ("torch.RMSprop()", "rmsprop", {"beta2": "99/100", "epsilon": "1e-8"}),
        ("heavy-ball", "heavy-ball", {}),
        ("momentum", "heavy-ball", {}),
        ("Heavy-Ball(beta=9/10, dampened=no)", "heavy-ball", {"beta": "9/10"}),
        ("adam(inside=yes, beta1=0.5, corrected=False)", "adam(inside=yes, corrected=no)", {"beta1": "1/2"}),
        ("heavy-ball(decay=1/10)", "heavy-ball(coupled_decay=yes)", {"decay": "1/10"}),
    ],
)
def test_a_text_is_a_rule_and_all_its_hyperparameters(text, name, values):
    entry, exact = chosen(text)
    assert entry is get(name)
    assert exact == {key: Fraction(value) for key, value in values.items()}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("torch.Foo()", r"'torch\.Foo\(\)': torch\.Foo is unknown; choose from torch\.SGD, "),
        ("keras.Adam()", r"keras\.Adam is unknown; choose from torch\.SGD, .*optax\.yogi"),
        ("torch.Adam(lr=1e-3)", "torch.Adam: lr is the step size, which is given as eta; leave it out here"),
        ("optax.adam(learning_rate=0.1)", "learning_rate is the step size"),
        ("torch.Adam(beta1=0.9)", "beta1 is unknown; it takes weight_decay, maximize, betas, eps"),
        ("torch.Adam(amsgrad=True)", "amsgrad = True is refused, a maximum has a kink"),
        ("torch.AdamW(decoupled_weight_decay=False)", "is refused, that is Adam; leave it at True"),
        ("optax.adamw(mask=1)", "mask = 1 is refused, every parameter decays here; leave it at None"),
        ("torch.ASGD()", r"torch\.ASGD: lambd = 1/10000 lets the rate fall .*; give lambd=0"),
        ("torch.ASGD(lambd=0.1, alpha=0, weight_decay=1)", "both are weight decay; give one"),
        ("torch.SGD(nesterov=True)", "needs a momentum and no dampening"),
        ("torch.SGD(momentum=1)", "beta = 1: out of range; give 0 <= beta < 1"),
        ("torch.SGD(momentum=-1/2)", "beta = -1/2: out of range"),
        ("torch.SGD(momentum=1/0)", "momentum is divided by zero"),
        ("torch.SGD(momentum=True)", "momentum = True: not an exact rational"),
        ("torch.SGD(momentum=(1, 2))", r"momentum = \(1, 2\) is no number; give one such as 0.9"),
        ("torch.SGD(momentum=0.5, dampening=1)", "dampening = 1: out of range"),
        ("torch.SGD(nesterov=1)", "nesterov = 1 is no choice; give True or False"),
        ("torch.Adam(betas=0.9)", r"betas = 9/10 is no tuple of 2; give \(0.9, 0.999\)"),
        ("torch.Adam(betas=(0.9, (1, 2)))", "betas is no number, True, False"),
        ("torch.Adam(eps=0)", r"epsilon = 0: out of range; give 0 < epsilon"),
        ("torch.Adam(eps=x)", "eps is no number, True, False, None or tuple"),
        ("torch.Adam(eps=1-2)", "eps is no number"),
        ("torch.Adam(eps=1_0)", "eps is no number"),
        ("torch.Adam(eps=0x10)", "eps is no number"),
        ("torch.Adam(eps=1e9999)", "eps = '1e9999': not an exact rational"),
        ("torch.Adam(0.1)", "not a name with options keyword=value"),
        ("torch.Adam", "not a name with options keyword=value in brackets; write it as"),
        ("torch.Adam(eps=1, eps=2)", "repeated|once"),
        ("torch.Adam()()", "is unknown"),
        ("adam(inside=1)", "inside = .*: is a flag; give yes or no"),
        ("adam(coupled_decay=yes, decoupled_decay=yes)", "both flags are weight decay; set one of them"),
        ("adam(inside=yes, two_epsilons=yes)", "one is inside of the root already"),
        ("adagrad(inside=yes, slow_time=yes)", "slow_time is for"),
        ("mini-batches(maximize=yes)", "mini-batches does not have it; it takes batches"),
        ("adam(decay=1/10, coupled_decay=no)", "'decay': adam does not have it"),
        ("no-such(beta=1)", "no_such.*unknown"),
        ("torch.Adam(eps='1')", r"character \"'\" is not allowed"),
        ("torch.Adam(**a)", r"character '\*' is not allowed"),
        ("torch.Adam(", "never closed|invalid syntax"),
        ("torch.Adam(" + "(" * 900, "too many nested|never closed"),
        ("torch.Adam(eps=" + "-" * 800 + "1)", "eps is no number"),
        ("torch.Adam(eps=" + "1" * 1000 + ")", "1016 characters; give at most 1000"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_says_why(text, reason):
    with pytest.raises(InputError, match=reason) as caught:
        chosen(text)
    assert "\n" not in str(caught.value)


WORDS = (
    *LIBRARIES,
    "torch.optim.Adam",
    "(",
    ")",
    "=",
    ",",
    "-",
    "/",
    "momentum",
    "betas",
    "eps",
    "True",
    "None",
    "0.9",
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.lists(st.sampled_from(WORDS), max_size=12).map("".join), st.text(max_size=60)))
@example(".\n")
def test_any_text_is_read_or_refused(text):
    found, reason = read_or_reason(text)
    assert "\n" not in reason
    assert found is None or found[0].read_parameters(found[1]) == found[1]


def read_or_reason(text):
    try:
        return chosen(text), ""
    except InputError as error:
        return None, str(error)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([entry for entry in LIBRARIES.values() if not entry.refused]),
    st.data(),
)
def test_options_of_any_kind_are_read_or_refused(entry, data):
    number = st.one_of(st.integers(-2, 3), st.floats(0, 1.5).map(lambda value: repr(round(value, 6)))).map(str)
    value = st.one_of(number, st.sampled_from(("True", "False", "None")), st.lists(number, max_size=3).map(_tuple))
    options = data.draw(st.dictionaries(st.sampled_from((*entry.defaults, *entry.fixed, "lr")), value, max_size=4))
    text = ", ".join(f"{name}={text}" for name, text in options.items())
    found, reason = read_or_reason(f"{entry.name}({text})")
    assert "\n" not in reason
    assert found is None or (get(found[0].name) is found[0] and found[0].complete(found[1]) == found[1])


def _tuple(parts):
    return f"({', '.join(parts)},)" if parts else "()"


def test_parameters_beside_a_text_that_gives_them_all_are_refused():
    for call in (lambda: chosen(NESTEROV, {"beta": 1}), lambda: eomsym.derive(NESTEROV, 1, beta="1/2")):
        with pytest.raises(InputError, match=r"beta: 'torch.SGD\(.*' gives all parameters itself; write it in there"):
            call()
    assert chosen("heavy-ball", {"beta": "0.9"}) == (get("heavy-ball"), {"beta": Fraction(9, 10)})


def test_rules_of_libraries_are_found_by_their_names_and_not_listed():
    for name, entry in UNLISTED.items():
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*(\(\w+=(yes|no)(, \w+=(yes|no))*\))?", name)
        assert get(name) is entry
        assert is_built_in(entry)
        assert set(entry.complete({})) == {parameter.name for parameter in entry.parameters}
    with pytest.raises(InputError, match="the name is taken"):
        optimizers.register(types.SimpleNamespace(name="adan", aliases=()))
    assert "adan" not in optimizers.REGISTRY


def test_every_door_takes_a_text(tmp_path):
    counterterms = eomsym.derive(NESTEROV, 2)
    assert counterterms.optimizer == "nesterov(lookahead=yes)"
    assert counterterms.parameters == {"beta": Fraction(1, 3)}
    assert eomsym.Equation.from_json(counterterms.to_json()) == counterterms
    assert modified_loss(NESTEROV, 2).optimizer == "nesterov(lookahead=yes)"
    written = ExpressionLoss("x**4 + x*y + y**2", ["x", "y"])
    assert closed_form(written, 1, NESTEROV).columns
    kernel = eomsym.load(eomsym.generate(written, 2, optimizer=NESTEROV, output=tmp_path))
    path = optimizer_path(kernel, np.array([0.3, 0.2]), 0.01, 3, optimizer=NESTEROV)
    again = optimizer_path(kernel, np.array([0.3, 0.2]), 0.01, 3, optimizer="nesterov(lookahead=yes)", beta="1/3")
    np.testing.assert_array_equal(path, again)


class Adam:
    """What PyTorch's class of this name looks like from outside."""

    __module__ = "torch.optim.adam"

    def __init__(self, *groups):
        usual = {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0, "amsgrad": False, "foreach": None}
        self.param_groups = [{"params": [], **usual, **group} for group in groups]


def test_an_object_of_pytorch_is_read_by_its_class_and_groups():
    entry, values = from_torch(Adam({}, {"lr": 0.2}))
    assert entry is get("adam")
    assert values == {"beta1": Fraction(9, 10), "beta2": Fraction(99, 100), "epsilon": Fraction(1, 10**8)}
    for groups, reason in (
        ([{}, {"eps": 1e-6}], r"torch\.Adam: eps is 1e-08 in one group and 1e-06 in another; give all groups the same"),
        ([{"amsgrad": True}], "a maximum has a kink"),
        ([{"new_option": 1}], "new_option is unknown"),
        ([{"eps": float("nan")}], "not an exact rational"),
        ([], "no class of torch.optim; give torch.optim.Adam, say"),
    ):
        with pytest.raises(InputError, match=reason):
            from_torch(Adam(*groups))
    for other in (None, "torch.Adam()", np.array([1.0])):
        with pytest.raises(InputError, match=r"no class of torch\.optim"):
            from_torch(other)


@pytest.mark.parametrize(
    ("name", "options", "rule"),
    [
        ("SGD", {"momentum": 0.9, "nesterov": True}, "nesterov(lookahead=yes)"),
        (
            "SGD",
            {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.1},
            "heavy-ball(dampened=yes, coupled_decay=yes)",
        ),
        ("Adam", {}, "adam"),
        ("AdamW", {}, "adamw"),
        ("RMSprop", {"centered": True}, "rmsprop(centered=yes)"),
        ("NAdam", {}, "nadam"),
        ("Adagrad", {}, "adagrad"),
        ("Adadelta", {}, "adadelta"),
        ("ASGD", {"lambd": 0}, "gradient-descent"),
    ],
)
def test_real_objects_of_pytorch(name, options, rule):
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = getattr(torch.optim, name)([weight], lr=0.25, **options)
    torch.optim.lr_scheduler.LinearLR(optimizer)  # leaves an entry of its own in the groups
    entry, values = eomsym.from_torch(optimizer)
    text = ", ".join(f"{key}={value}" for key, value in options.items())
    assert (entry.name, values) == (rule, chosen(f"torch.{name}({text})")[1])
    with pytest.raises(InputError, match="Rprop: is no rule of eomsym"):
        from_torch(torch.optim.Rprop([weight]))
    with pytest.raises(InputError, match=r"no class of torch\.optim"):
        from_torch(type("Mine", (torch.optim.SGD,), {})([weight]))


def test_jax_and_pytorch_take_a_text():
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")
    jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
    text, start = "torch.Adam(eps=0.1, betas=(0.5, 0.6))", [0.5, 0.7]

    def loss(point):
        return (point**4).sum()

    of_torch = eomsym.torch.counterterms(loss, torch.tensor(start, dtype=torch.float64), 2, optimizer=text)
    with jax.enable_x64(True):
        of_jax = eomsym.jax.counterterms(loss, jax.numpy.asarray(start), 2, optimizer=text)
    for one, other in zip(of_torch, of_jax, strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-13)


def test_bare_names_are_what_the_libraries_have():
    for bare, text in (
        ("adam", "torch.Adam()"),
        ("adamw", "torch.AdamW()"),
        ("rmsprop", "torch.RMSprop()"),
        ("sgd", "torch.SGD()"),
    ):
        entry, values = chosen(text)
        assert get(bare) is entry
        assert entry.complete({}) == values
    assert get("adam(corrected=no)").rule(**_ADAM) == get("adam").rule(**_ADAM)


_ADAM = {"beta1": Fraction(1, 3), "beta2": Fraction(2, 5), "epsilon": Fraction(1, 10)}
