"""Groups of parameters: what patterns mean, what is refused, and that each array is moved by its own numbers."""

from fractions import Fraction

import numpy as np
import pytest

from eomsym.blocks import Blocks
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer, Parameter, chosen, get
from eomsym.optimizers.blockwise import Blockwise, blockwise, values_of
from eomsym.optimizers.groups import Part, composed, grouped, read_groups

BLOCKS = Blocks(((3, 2), (2,), (2, 2)), ("0.weight", "0.bias", "2.weight"))
CUTS = slice(0, 6), slice(6, 8), slice(8, 12)
START = np.linspace(-1, 1, 12) + 0.03


def quartic(theta, field=0):
    """Each entry by itself, so that groups do not see each other."""
    return theta**3 + 0.3 * theta + 0.1


def run(entry, values, theta, steps=6, gradient=quartic, rate=0.1):
    numbers = {name: float(value) for name, value in values.items()}
    state = entry.initial_state(theta, gradient, **numbers)
    for _ in range(steps):
        state = entry.run(gradient, state, rate, **numbers)
    return state[0]


RULES = {
    "adamw": ({"beta1": "9/10"}, {"beta1": "1/2", "decay": 0, "epsilon": "1/3"}),
    "heavy-ball": ({"beta": "4/5", "decay": "1/7"}, {"beta": 0, "decay": 0}),
    "heavy-ball dampened": ({"beta": "4/5", "dampening": "1/2"}, {"beta": 0, "dampening": 0}),
    "nesterov": ({"beta": "4/5"}, {"beta": "1/3"}),
    "implicit-euler": ({}, {}),
    "runge-kutta-4": ({}, {}),
    "rmsprop": ({"initial_square": "1/4", "started": "yes"}, {"initial_square": "1/9"}),
    "optimistic": ({}, {}),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("factor", ["2", "1/2", "0"])
def test_each_array_is_moved_as_by_a_rule_of_its_own(name, factor):
    common, own = RULES[name]
    made, values = chosen(name.split()[0], common, {"*bias": {**own, "eta_factor": factor}}, BLOCKS)
    found = run(made, made.complete(values), START)
    plain, given = chosen(name.split()[0], common)
    _, theirs = chosen(plain, {**given, **own})
    rest = run(plain, plain.complete(given), START)
    alone = run(plain, plain.complete(theirs), START, rate=0.1 * float(Fraction(factor)))
    for cut, wanted in zip(CUTS, (rest, alone, rest), strict=True):
        np.testing.assert_allclose(found[cut], wanted[cut], rtol=1e-13, atol=1e-15)
    if factor == "0":
        np.testing.assert_array_equal(found[CUTS[1]], START[CUTS[1]])
    else:
        assert np.abs(found[CUTS[1]] - rest[CUTS[1]]).max() > 1e-4  # the control: without groups it is another run


def test_a_gradient_ahead_is_taken_where_all_groups_are_then():
    """Of the textbook's Nesterov, whose point ahead depends on η and β of each array."""
    matrix = np.eye(12) + 0.2
    made, values = chosen("nesterov", {"beta": "1/2"}, {"*bias": {"beta": "1/4", "eta_factor": 2}}, BLOCKS)
    beta, rate = np.full(12, 0.5), np.full(12, 0.1)
    beta[CUTS[1]], rate[CUTS[1]] = 0.25, 0.2
    theta, velocity = START, 0 * START
    for _ in range(5):
        velocity = beta * velocity + matrix @ (theta - rate * beta * velocity)
        theta = theta - rate * velocity
    found = run(made, made.complete(values), START, 5, lambda point, field=0: matrix @ point)
    np.testing.assert_allclose(found, theta, rtol=1e-13)


def test_exact_numbers_in_a_step_function_of_ones_own():
    def step(gradient, state, eta, weight):
        return (state[0] - eta * (Fraction(1, 2) * weight * gradient(state[0])),)

    own = Optimizer("halved-by-group", step, (Parameter("weight", "w", "a weight", Fraction(0), None, Fraction(1)),))
    made, values = chosen(own, {}, {"0.weight": {"weight": 3}}, BLOCKS)
    found = run(made, made.complete(values), START, 1)
    assert type(found) is np.ndarray
    assert found.dtype == float
    weights = np.where(np.arange(12) < 6, 3.0, 1.0)
    np.testing.assert_allclose(found, START - 0.05 * weights * quartic(START), rtol=1e-14)


def test_parameters_by_group_and_one_object_for_the_same_groups():
    entry = get("adamw")
    groups = read_groups(entry, {"*weight": {"decay": "1/5"}, "0.*": {"beta1": "1/2"}}, BLOCKS)
    assert [(group.label, group.members) for group in groups] == [("*weight", (0, 2)), ("0.*", (0, 1))]
    made = grouped(entry, groups, BLOCKS)
    values = made.complete({"decay": 0})
    assert values["decay[*weight]"] == Fraction(1, 5)
    assert values["decay"] == 0
    assert values["beta1[0.*]"] == Fraction(1, 2)
    assert grouped(entry, groups, BLOCKS) is made
    assert grouped(entry, (), BLOCKS) is entry
    assert made.complete({"decay[*weight]": "1/3"})["decay[*weight]"] == Fraction(1, 3)


def test_two_patterns_may_say_the_same():
    groups = {"*bias": {"decay": 0}, "0.*": {"decay": "0.0"}}
    assert len(read_groups(get("adamw"), groups, BLOCKS)) == 2


@pytest.mark.parametrize(
    ("optimizer", "groups", "said"),
    [
        ("adamw", {"*scale": {"decay": 0}}, r"'\*scale' matches no parameter; they are 0.weight, 0.bias, 2.weight"),
        (
            "adamw",
            {"*bias": {"decay": 0}, "0.*": {"decay": "1/5"}},
            r"'0.bias' has decay = 0 by '\*bias' and 1/5 by '0.\*'; let one of them match it",
        ),
        ("adamw", {"*bias": {"momentum": 0}}, "adamw has no number 'momentum' to differ; choose from beta1, beta2"),
        ("adam", {"*bias": {"decay": 0}}, "adam has no number 'decay' to differ"),
        ("adamw", {"*bias": {"lr": 0.1}}, "no number 'lr' .*; eta_factor is a factor of it"),
        ("adamw", {"*bias": {"beta1": 1}}, "beta1 = 1: out of range"),
        ("adamw", {"*bias": {"eta_factor": -1}}, "eta_factor = -1: out of range"),
        ("adamw", {"*bias": 0}, "groups .*: give {pattern: {parameter: value}}"),
        ("adamw", ["*bias"], "groups .*: give {pattern: {parameter: value}}"),
        ("adam(corrected=no)", {"*bias": {"corrected": True}}, "has no number 'corrected' to differ"),
        ("shampoo", {"*weight": {"eta_factor": 2}}, "shampoo has memories of other shapes than theta"),
        ("adafactor", {"*weight": {"eta_factor": 2}}, "adafactor has memories of other shapes than theta"),
        ("simultaneous-players", {"*bias": {"eta_factor": 1}}, "batches or players"),
    ],
)
def test_groups_that_cannot_be_are_refused_in_one_line(optimizer, groups, said):
    with pytest.raises(InputError, match=said) as caught:
        chosen(optimizer, {}, groups, BLOCKS)
    assert "\n" not in str(caught.value)


def test_groups_of_a_vector_whose_arrays_are_not_known():
    with pytest.raises(InputError, match="this loss has one array"):
        chosen("adamw", {}, {"*bias": {"decay": 0}})


def test_another_vector_than_that_of_the_groups_is_refused():
    made, values = chosen("adamw", {}, {"*bias": {"decay": 0}}, BLOCKS)
    with pytest.raises(InputError, match="of 12 parameters, and theta has 5"):
        run(made, made.complete(values), np.ones(5))
    with pytest.raises(InputError, match="is of arrays of other sizes"):
        chosen(made, {}, None, Blocks(((12,),)))


def test_what_is_of_one_rule_is_refused():
    from eomsym.derivation import derive, edge_threshold

    made, _ = chosen("heavy-ball", {}, {"*bias": {"beta": "1/2"}}, BLOCKS)
    for ask in (lambda: derive(made, 1), lambda: derive(made, 1, state="whole"), lambda: edge_threshold(made)):
        with pytest.raises(InputError, match="has groups of parameters"):
            ask()


def test_a_choice_by_a_number_that_differs_is_refused():
    def step(gradient, state, eta, weight):
        return (state[0] - eta * (gradient(state[0]) if weight else 2 * gradient(state[0])),)

    own = Optimizer("choosing-by-group", step, (Parameter("weight", "w", "a weight", Fraction(0), None, Fraction(1)),))
    with pytest.raises(InputError, match="chooses by a number that differs by group"):
        chosen(own, {}, {"0.weight": {"weight": 3}}, BLOCKS)


def test_parts_move_their_own_arrays_and_the_rest_stays():
    parts = (
        Part("a", (0,), get("adamw"), Fraction(1)),
        Part("b", (2,), get("heavy-ball"), Fraction(1, 2)),
    )
    made = composed(parts, BLOCKS)
    values = made.complete({"beta1[a]": "1/2", "beta[b]": "1/3"})
    found = run(made, values, START)
    adamw, ball = get("adamw"), get("heavy-ball")
    np.testing.assert_array_equal(found[CUTS[0]], run(adamw, adamw.complete({"beta1": "1/2"}), START)[CUTS[0]])
    np.testing.assert_array_equal(found[CUTS[1]], START[CUTS[1]])
    alone = run(ball, ball.complete({"beta": "1/3"}), START, rate=0.05)
    np.testing.assert_allclose(found[CUTS[2]], alone[CUTS[2]], rtol=1e-14)


def test_arithmetic_of_numbers_that_differ_by_block():
    sizes = (2, 1)
    a, b = blockwise((Fraction(1, 2), Fraction(3)), sizes), blockwise((2, 5), sizes)
    assert values_of(a + b) == (Fraction(5, 2), 8)
    assert values_of(1 - a) == (Fraction(1, 2), -2)
    assert values_of(a * 2) == values_of(2 * a) == (1, 6)
    assert values_of(a / b) == (Fraction(1, 4), Fraction(3, 5))
    assert values_of(3 / a) == (6, 1)
    assert a - a == 0
    assert not isinstance(blockwise((2, 2), sizes), Blockwise)
    assert a == blockwise((Fraction(2, 4), 3), sizes)
    np.testing.assert_array_equal(a.floats, [0.5, 0.5, 3])
    total = sum(value * place for value, place in a.parts)
    assert total == a
