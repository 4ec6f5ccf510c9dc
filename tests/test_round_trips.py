"""What is written is read back as it was: counter terms as JSON, specifications of kernels."""

import json
import keyword
from fractions import Fraction

from forms import EVERY
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from eomsym import optimizers
from eomsym.codegen import KernelSpec
from eomsym.derivation import Equation, derive
from eomsym.errors import InputError
from eomsym.models import ACTIVATIONS, LOSSES, MLP, ExpressionLoss, VectorField

#: Optimisers whose counter terms are over plain trees.
PLAIN = [name for name in EVERY if derive(name, 0).plain]


@st.composite
def settings_of(draw, name: str, every: bool):
    """Exact values in the range of each parameter; without ``every``, some are left to be symbols."""
    values = {}
    for parameter in optimizers.get(name).parameters:
        highest = 3 if parameter.supremum is None else parameter.supremum
        lowest = parameter.minimum
        if parameter.kind == "count":
            value = Fraction(draw(st.integers(int(lowest), int(highest) - 1)))
        else:
            value = draw(st.fractions(lowest, highest, max_denominator=1000))
        assume(value != highest and (value > lowest or not parameter.open_minimum))
        if every or draw(st.booleans()):
            values[parameter.name] = value
    return values


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(PLAIN), st.integers(0, 4), st.booleans())
def test_counter_terms(data, name, order, start):
    counterterms = derive(name, order, start=start, **data.draw(settings_of(name, every=False)))
    text = counterterms.to_json()
    assert Equation.from_json(text) == counterterms
    assert Equation.from_json(json.dumps(json.loads(text), indent=3, sort_keys=True)) == counterterms


WIDTHS = st.lists(st.integers(1, 40), min_size=2, max_size=5)
EXPRESSIONS = st.sampled_from(
    ["x**2*y + a*sin(x)", "exp(x*y)/(1 + a**2)", "(1-x)**2 + 100*(y-x**2)**2 + a", "sqrt(a + y*y)*x"]
)


@st.composite
def models(draw):
    kind = draw(st.sampled_from(["mlp", "loss", "field"]))
    if kind == "loss":
        return ExpressionLoss(draw(EXPRESSIONS), ["x", "y"], ["a"])
    if kind == "field":
        return VectorField([draw(EXPRESSIONS), draw(EXPRESSIONS)], ["x", "y"], ["a"])
    layers, loss = draw(WIDTHS), draw(st.sampled_from(LOSSES))
    normalization = draw(st.sampled_from(["none", "weight", "batch", "layer"]))
    decay = draw(st.floats(0, 1e300, allow_nan=False))
    try:
        return MLP(layers, draw(st.sampled_from(ACTIVATIONS)), loss, decay, normalization, draw(st.booleans()))
    except InputError:  # one output for cross-entropy, no hidden layer to normalise
        assume(False)


@st.composite
def specifications(draw):
    model, order = draw(models()), draw(st.integers(0, 12))
    if not isinstance(model, MLP):
        return KernelSpec(model, order)
    name = draw(st.sampled_from(list(EVERY)))
    plain = name == "gradient-descent" and model.normalization == "none"
    precision = draw(st.sampled_from(["double", "double-double"])) if plain else "double"
    return KernelSpec(model, order, name, precision, tuple(draw(settings_of(name, every=True)).items()))


@settings(max_examples=150, deadline=None)
@given(specifications())
def test_specifications(spec):
    assert KernelSpec.from_json(spec.to_json()) == spec
    assert spec.name.isidentifier()
    assert spec.name.isascii()
    assert not keyword.iskeyword(spec.name)


@settings(max_examples=50, deadline=None)
@given(specifications(), specifications())
def test_two_specifications_with_one_name_are_one(one, other):
    assert (one.name == other.name) == (one == other)
