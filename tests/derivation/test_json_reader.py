"""JSON of ``eomsym derive``: the contract to the letter, and a reader that survives whatever it is given."""

import json
from fractions import Fraction

import pytest
import sympy
from counting import at_most
from hypothesis import given, settings
from hypothesis import strategies as st

from eomsym import optimizers
from eomsym.derivation import Counterterms, derive
from eomsym.derivation.json_reader import parse_counterterms
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
    entry = Optimizer("test-heavy-ball", (), "", "", parameters, damped_step, ("velocity",))
    monkeypatch.setitem(optimizers.registry._BY_ALIAS, entry.name, entry)
    return entry.name


def edited(change):
    data = json.loads(VALID)
    change(data)
    return json.dumps(data)


def test_contract_with_the_order_of_its_keys():
    assert derive(order=2).to_json() == json.dumps(json.loads(CONTRACT))
    assert parse_counterterms(CONTRACT) == derive(order=2)


@pytest.mark.parametrize("order", [0, 1, 7])
def test_reading_undoes_writing(order):
    counterterms = derive(order=order)
    assert Counterterms.from_json(counterterms.to_json()) == counterterms
    assert all(type(term.coefficient) is Fraction for terms in counterterms.terms for term in terms)


@pytest.mark.parametrize(
    "given",
    [{"momentum": "9/10", "damping": "0.123456789"}, {"damping": 1}, {"momentum": "1/3"}, {}],
    ids=["numbers", "momentum symbolic", "damping symbolic", "both symbolic"],
)
def test_reading_undoes_writing_with_parameters(heavy_ball, given):
    counterterms = derive(heavy_ball, order=5, **given)
    data = json.loads(counterterms.to_json())
    assert data["parameters"] == {name: str(Fraction(value)) for name, value in given.items()}
    assert parse_counterterms(counterterms.to_json()) == counterterms


def test_symbolic_coefficients_are_in_the_syntax_of_sympy(heavy_ball):
    data = json.loads(derive(heavy_ball, order=1, damping=1).to_json())
    assert data["gradient_coefficient"] == "1/(1 - momentum)"
    momentum = sympy.Symbol("momentum")
    expected = (1 + momentum) / (2 * (1 - momentum) ** 3)
    assert sympy.parse_expr(data["counterterms"][0]["terms"][0]["coefficient"]) == expected


def test_terms_in_any_order_and_brackets_in_any_order():
    def change(data):
        data["counterterms"][2]["terms"].reverse()
        data["counterterms"][2]["terms"][1]["tree"] = "[ [], [[]] ]"

    assert parse_counterterms(edited(change)) == derive(order=3)


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
    "unknown optimiser": (set_at("optimizer", value="sgd-17"), "unknown"),
    "optimiser no string": (set_at("optimizer", value=["gradient-descent"]), "must be a string"),
    "long name": (set_at("optimizer", value="x" * 10**6), "longer than"),
    "unknown parameter": (set_at("parameters", value={"momentum": "1/2"}), "does not have it"),
    "parameters no object": (set_at("parameters", value=[]), "must be an object"),
    "parameter no string": (set_at("parameters", value={"momentum": 0.5}), "must be a string"),
    "order too high": (set_at("order", value=10**9), "out of range"),
    "order too large for its terms": (set_at("order", value=15), "must have 15"),
    "order no integer": (set_at("order", value=3.0), "not an integer"),
    "order true": (set_at("order", value=True), "not an integer"),
    "missing key": (drop("gradient_coefficient"), "keys"),
    "further key": (set_at("comment", value=""), "keys"),
    "missing term": (drop(*FIRST), "must have 1"),
    "further term": (lambda data: data["counterterms"][0]["terms"].append(LEAF_TERM), "must have 1"),
    "tree twice": (set_at("counterterms", 1, "terms", 1, "tree", value="[[[]]]"), "symmetry"),
    "tree twice, symmetry right": (
        set_at("counterterms", 1, "terms", 1, value={"tree": "[[[]]]", "symmetry": 1, "coefficient": "0"}),
        "a tree twice",
    ),
    "tree too large": (set_at(*FIRST, "tree", value="[[[]]]"), "3 nodes; it must have 2"),
    "tree unbalanced": (set_at(*FIRST, "tree", value="[[]"), "bracket list"),
    "tree deep": (set_at(*FIRST, "tree", value="[" * 10**5 + "]" * 10**5), "nodes"),
    "tree a list": (set_at(*FIRST, "tree", value=[[]]), "must be a string"),
    "wrong symmetry": (set_at("counterterms", 1, "terms", 1, "symmetry", value=1), "symmetry of .* is 2"),
    "symmetry true": (set_at(*FIRST, "symmetry", value=True), "symmetry"),
    "wrong index": (set_at("counterterms", 1, "index", value=0), "must be 1"),
    "index true": (set_at("counterterms", 1, "index", value=True), "must be 1"),
    "coefficient a number": (set_at(*FIRST, "coefficient", value=0.5), "must be a string"),
    "terms an object": (set_at("counterterms", 0, "terms", value={}), "must be a list"),
    "counter term a list": (set_at("counterterms", 0, value=[]), "must be an object"),
}


@pytest.mark.parametrize(("change", "message"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_objects_are_refused_in_one_short_line(change, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_counterterms(edited(change))
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
    with pytest.raises(InputError, match=r"exact rational such as 1/12$"):
        parse_counterterms(edited(set_at(*FIRST, "coefficient", value=coefficient)))


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
    ((momentum + 1)**400)**400
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
OVERSIZED = [
    "(" * 5000 + "momentum" + ")" * 5000,
    "-" * 15000 + "momentum",
    "+".join(["momentum"] * 2400),
    "momentum" * 10**5,
    "/".join(f"(momentum+{k})" for k in range(1, 600)),
    "+".join(f"1/(damping+{k})" for k in range(1, 600)),
]


@pytest.mark.parametrize(
    "coefficient",
    ["", "momentum\n", *(line.strip() for line in NO_EXPRESSIONS.strip().splitlines()), *OVERSIZED],
    ids=lambda text: text[:24],
)
def test_expressions_are_not_run_and_stay_small(heavy_ball, coefficient):
    data = json.loads(derive(heavy_ball, order=1).to_json())
    data["gradient_coefficient"] = coefficient
    text, expected = json.dumps(data), "exact rational such as 1/12 or an expression in momentum, damping"
    with at_most(), pytest.raises(InputError, match=expected) as caught:
        parse_counterterms(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("coefficient", "value"),
    [
        ("1 - 1/2 + 3**2/momentum**2*momentum*momentum", Fraction(19, 2)),
        ("-(-momentum - 2)/(momentum + 2)", 1),
        ("2**(-3)", Fraction(1, 8)),
        (" ( 7 ) ", 7),
    ],
)
def test_expressions_are_read_exactly(heavy_ball, coefficient, value):
    data = json.loads(derive(heavy_ball, order=1).to_json())
    data["gradient_coefficient"] = coefficient
    read = parse_counterterms(json.dumps(data)).gradient_coefficient
    assert type(read) is Fraction
    assert read == value


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
    with pytest.raises(InputError, match="counter terms") as caught:
        parse_counterterms(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_doubled_keys_are_refused():
    with pytest.raises(InputError, match="twice"):
        parse_counterterms(VALID.replace('"order": 3', '"order": 2, "order": 3'))


@settings(max_examples=300)
@given(st.text(max_size=200))
def test_arbitrary_text_is_refused(text):
    with pytest.raises(InputError):
        parse_counterterms(text)


@settings(max_examples=300)
@given(st.integers(0, len(VALID) - 1), st.integers(0, 3), st.sampled_from('[]{}",:0123456789/- atx\\\x00é'))
def test_damaged_text_is_read_or_refused(position, length, character):
    damaged = VALID[:position] + character + VALID[position + length :]
    try:
        counterterms = parse_counterterms(damaged)
    except InputError:
        return
    assert parse_counterterms(counterterms.to_json()) == counterterms
