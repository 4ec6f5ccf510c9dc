"""JSON of ``eomsym derive``: the contract to the letter, and a reader that takes what was written and nothing else."""

import copy
import json
import pickle
from fractions import Fraction

import pytest
import sympy
from counting import at_most
from hypothesis import given, settings
from hypothesis import strategies as st

from eomsym import optimizers
from eomsym.derivation import Equation, derive
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer, Parameter

#: design.md §4, to the letter.
CONTRACT = """
    {"optimizer": "gradient-descent", "parameters": {}, "order": 2,
     "gradient_coefficient": "1",
     "counterterms": [
       {"index": 0, "terms": [{"tree": "[[]]", "symmetry": 1, "coefficient": "1/2"}]},
       {"index": 1, "terms": [{"tree": "[[[]]]", "symmetry": 1, "coefficient": "1/3"},
                               {"tree": "[[],[]]", "symmetry": 2, "coefficient": "1/12"}]}]}
"""
VALID = derive(order=3).to_json()


def damped_step(gradient, state, eta, momentum, damping):
    theta, velocity = state
    velocity = momentum * velocity + damping * gradient(theta)
    return theta - eta * velocity, velocity


@pytest.fixture
def heavy_ball(monkeypatch):
    parameters = (
        Parameter("momentum", "β", "", Fraction(0), Fraction(1)),
        Parameter("damping", "d", "", Fraction(0), Fraction(2)),
    )
    entry = Optimizer("test-heavy-ball", damped_step, parameters, ("velocity",))
    monkeypatch.setitem(optimizers.registry._BY_ALIAS, entry.name, entry)
    return entry.name


def edited(change):
    data = json.loads(VALID)
    change(data)
    return json.dumps(data)


def test_contract_with_the_order_of_its_keys():
    assert derive(order=2).to_json() == json.dumps(json.loads(CONTRACT))
    assert Equation.from_json(CONTRACT) == derive(order=2)


@pytest.mark.parametrize("order", [0, 1, 7])
def test_reading_undoes_writing(order):
    equation = derive(order=order)
    assert Equation.from_json(equation.to_json()) == equation


FORMS = {
    "games": lambda: derive("alternating-players", 2),
    "batches": lambda: derive("mini-batches", 2, batches=3),
    "decay": lambda: derive("sgdw", 3, start=True),
    "symbols": lambda: derive("heavy-ball", 4, start=True),
    "memory": lambda: derive("heavy-ball", 3, start={"velocity": {"v": 1, "g": "9/10"}}),
    "adam": lambda: derive("adam", 2),
    "adam with values": lambda: derive("adam(corrected=no)", 2, beta1="9/10", beta2="999/1000", epsilon="1e-8"),
    "adamw": lambda: derive("adamw", 1),
    "schedule": lambda: derive("heavy-ball", 3, schedule=("eta", "beta")),
    "adam's schedule": lambda: derive("adam(inside=yes, corrected=no)", 1, schedule="eta"),
    "whole": lambda: derive("nesterov", 3, state="whole"),
    "whole adam": lambda: derive("adam", 1, state="whole", gamma1="1/2"),
    "generator": lambda: derive(order=3, noise=True),
    "loss": lambda: derive("heavy-ball", 3, modified_loss=True),
    "adam's loss": lambda: derive("adam", 1, modified_loss=True),
    "losses": lambda: derive("random-reshuffling", 2, modified_loss=True),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_back(form):
    equation = FORMS[form]()
    assert Equation.from_json(equation.to_json()) == equation
    assert pickle.loads(pickle.dumps(equation)) == copy.deepcopy(equation) == equation


def test_a_start_alone_does_not_say_whose_it_is():
    start = derive("heavy-ball", 2, start=True).start
    assert pickle.loads(pickle.dumps(start)) == start
    with pytest.raises(InputError, match="cannot be read"):
        Equation.from_json(start.to_json())


@pytest.mark.parametrize(
    "given",
    [{"momentum": "9/10", "damping": "0.123456789"}, {"damping": 1}, {"momentum": "1/3"}, {}],
    ids=["numbers", "momentum symbolic", "damping symbolic", "both symbolic"],
)
def test_reading_undoes_writing_with_parameters(heavy_ball, given):
    counterterms = derive(heavy_ball, order=5, **given)
    data = json.loads(counterterms.to_json())
    assert data["parameters"] == {name: str(Fraction(value)) for name, value in given.items()}
    assert Equation.from_json(counterterms.to_json()) == counterterms


def test_symbolic_coefficients_are_in_the_syntax_of_sympy(heavy_ball):
    data = json.loads(derive(heavy_ball, order=1, damping=1).to_json())
    assert data["gradient_coefficient"] == "1/(1 - momentum)"
    momentum = sympy.Symbol("momentum")
    expected = (1 + momentum) / (2 * (1 - momentum) ** 3)
    assert sympy.parse_expr(data["counterterms"][0]["terms"][0]["coefficient"]) == expected


def set_at(*path, value):
    def change(data):
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


def drop(*path):
    def change(data):
        for key in path[:-1]:
            data = data[key]
        del data[path[-1]]

    return change


LEAF_TERM = {"tree": "[[]]", "symmetry": 1, "coefficient": "1/2"}
FIRST = ("counterterms", 0, "terms", 0)
MALFORMED = {
    "unknown optimiser": set_at("optimizer", value="sgd-17"),
    "an alias": set_at("optimizer", value="gd"),
    "optimiser no string": set_at("optimizer", value=["gradient-descent"]),
    "long name": set_at("optimizer", value="x" * 10**6),
    "unknown parameter": set_at("parameters", value={"momentum": "1/2"}),
    "parameters no object": set_at("parameters", value=[]),
    "order too high": set_at("order", value=10**9),
    "order too large for its terms": set_at("order", value=5),
    "order no integer": set_at("order", value=3.0),
    "order true": set_at("order", value=True),
    "missing key": drop("gradient_coefficient"),
    "further key": set_at("comment", value=""),
    "missing term": drop(*FIRST),
    "further term": lambda data: data["counterterms"][0]["terms"].append(LEAF_TERM),
    "tree twice": set_at("counterterms", 1, "terms", 1, value={"tree": "[[[]]]", "symmetry": 1, "coefficient": "0"}),
    "trees in another order": lambda data: data["counterterms"][1]["terms"].reverse(),
    "tree too large": set_at(*FIRST, "tree", value="[[[]]]"),
    "tree unbalanced": set_at(*FIRST, "tree", value="[[]"),
    "tree deep": set_at(*FIRST, "tree", value="[" * 10**5 + "]" * 10**5),
    "tree a list": set_at(*FIRST, "tree", value=[[]]),
    "tree with a colour": set_at(*FIRST, "tree", value="1[2[]]"),
    "wrong symmetry": set_at("counterterms", 1, "terms", 1, "symmetry", value=1),
    "symmetry true": set_at(*FIRST, "symmetry", value=True),
    "wrong index": set_at("counterterms", 1, "index", value=0),
    "coefficient a number": set_at(*FIRST, "coefficient", value=0.5),
    "terms an object": set_at("counterterms", 0, "terms", value={}),
    "counter term a list": set_at("counterterms", 0, value=[]),
}


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED)
def test_malformed_objects_are_refused_in_one_short_line(change):
    with pytest.raises(InputError) as caught:
        Equation.from_json(edited(change))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "coefficient",
    [
        "",
        "x",
        "momentum",
        "1/0",
        "0.5",
        "1e3",
        "1_0",
        "0x1",
        " 1",
        "1/-2",
        "--1",
        "9" * 5000,
        "nan",
        "1/2/3",
        "٣",
        "1\n",
    ],
)
def test_coefficients_that_are_no_exact_rationals_are_refused(coefficient):
    with pytest.raises(InputError, match="give what to_json wrote"):
        Equation.from_json(edited(set_at(*FIRST, "coefficient", value=coefficient)))


NO_EXPRESSIONS = """
    __import__('os').system('true')
    momentum.field
    momentum()
    momentum[0]
    lambda: 1
    other
    exec
    momentum if 1 else 2
    momentum or 1
    momentum**momentum
    momentum**(1/2)
    momentum**10**10
    (momentum + 1)**(10**9)
    9**9**9**9
    2**(-10000000)
    1/(momentum - momentum)
    0**(-1)
    0x10*momentum
    1_0*momentum
    1.5*momentum
    1j*momentum
    'a'*momentum
    True*momentum
    ~momentum
    momentum;1
    momentum,1
    (yield)
    momentum:=1
    momentum//2
    momentum%2
    momentum@1
    momentum momentum
    (momentum
"""


@pytest.mark.parametrize(
    "coefficient",
    ["", "momentum\n", *(line.strip() for line in NO_EXPRESSIONS.strip().splitlines()), "(" * 5000, "momentum" * 10**5],
    ids=lambda text: text[:24],
)
def test_expressions_are_not_run(heavy_ball, coefficient):
    data = json.loads(derive(heavy_ball, order=1).to_json())
    data["gradient_coefficient"] = coefficient
    with at_most(), pytest.raises(InputError) as caught:
        Equation.from_json(json.dumps(data))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "3",
        '"x"',
        "{",
        "{}",
        "[" * 10**5,
        '{"order": NaN}',
        '{"order": 1, "order": 2}',
        "1" * 5000,
        None,
        b"{}",
    ],
    ids=lambda text: repr(text)[:20],
)
def test_other_texts_are_refused(text):
    with pytest.raises(InputError, match="equation: ") as caught:
        Equation.from_json(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_doubled_keys_are_refused():
    with pytest.raises(InputError, match="twice"):
        Equation.from_json(VALID.replace('"order": 3', '"order": 2, "order": 3'))


@settings(max_examples=300)
@given(st.text(max_size=200))
def test_arbitrary_text_is_refused(text):
    with pytest.raises(InputError):
        Equation.from_json(text)


@settings(max_examples=300)
@given(st.integers(0, len(VALID) - 1), st.integers(0, 3), st.sampled_from('[]{}",:0123456789/- atx\\\x00é'))
def test_damaged_text_is_read_or_refused(position, length, character):
    damaged = VALID[:position] + character + VALID[position + length :]
    try:
        equation = Equation.from_json(damaged)
    except InputError:
        return
    assert json.loads(equation.to_json()) == json.loads(damaged)
