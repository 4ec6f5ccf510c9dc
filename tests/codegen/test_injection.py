"""What a user names reaches a generated file as an identifier or a number only: no markup, no quotes, no lines."""

import ast
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eomsym.codegen import KernelSpec
from eomsym.codegen.render import render
from eomsym.errors import EomsymError, InputError
from eomsym.models import MLP, ExpressionLoss, VectorField
from eomsym.optimizers import Optimizer, get

MARKUP = (
    "{{ 7*7 }}",
    "{{ x.__class__ }}",
    "{% for i in x %}",
    "{# x",
    "x }}{{ y",
    "x\nimport os",
    "x\r\nimport os",
    "x\u2028import os",
    "x'",
    'x"',
    '"""',
    "x\\",
    "x;y",
    "x # y",
    "x\0",
    "x=1",
    "x)",
    "x.y",
    "x y",
    "\ud800",
    "ｘ",  # Python's own identifiers are normalised: this would be x
    "é",
    "x" * 32,
    "",
)

NAMED = {
    "variable": lambda text: ExpressionLoss("1", [text]),
    "parameter": lambda text: ExpressionLoss("x", ["x"], [text]),
    "variable of a field": lambda text: VectorField(["1"], [text]),
    "expression": lambda text: ExpressionLoss(text, ["x"]),
    "activation": lambda text: MLP([2, 2], text),
    "loss": lambda text: MLP([2, 2], "tanh", text),
    "normalization": lambda text: MLP([2, 3, 2], "tanh", "mse", 0.0, text),
    "weight decay": lambda text: MLP([2, 2], "tanh", "mse", text),
    "width": lambda text: MLP([2, text]),
    "optimizer": lambda text: KernelSpec(MLP([2, 2]), 1, text),
    "precision": lambda text: KernelSpec(MLP([2, 2]), 1, "gradient-descent", text),
    "order": lambda text: KernelSpec(MLP([2, 2]), text),
    "name of a setting": lambda text: KernelSpec(MLP([2, 2]), 1, "heavy-ball", "double", ((text, "1/2"),)),
    "setting": lambda text: KernelSpec(MLP([2, 2]), 1, "heavy-ball", "double", (("beta", text),)),
    "optimizer of the user's own": lambda text: KernelSpec(
        MLP([2, 2]), 1, Optimizer(text, get("gradient-descent").step, summary="summary", source="source")
    ),
}


@pytest.mark.parametrize("text", MARKUP, ids=ascii)
@pytest.mark.parametrize("make", NAMED.values(), ids=NAMED)
def test_names_with_markup_are_refused(make, text):
    if make is NAMED["optimizer of the user's own"] and text == "x" * 32:
        pytest.skip("that is a name like any other")
    with pytest.raises(InputError) as caught:
        make(text)
    assert "\n" not in str(caught.value)


def strings_of(source):
    """The strings in the code, docstrings among them, once it is known to be code without markup or odd imports."""
    tree = ast.parse(source)
    assert "{{" not in source
    assert "{%" not in source
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imports = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imports <= {"math", "numba", "numpy"}
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


NAMES = st.from_regex(re.compile(r"[A-Za-z_{}%'\"\n ]{1,6}"), fullmatch=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(NAMES, min_size=1, max_size=3), st.sampled_from(["1", "{0}**2", "exp({0})*{0}"]))
def test_whatever_is_accepted_is_plain_code_with_the_strings_of_the_template(names, pattern):
    """Of the user's there are names of variables, each an identifier."""
    template = strings_of(render(KernelSpec(ExpressionLoss(pattern.format("x"), ["x"]), 1)))
    try:
        spec = KernelSpec(ExpressionLoss(pattern.format(names[0]), names), 1)
    except EomsymError:
        return
    own = strings_of(render(spec)) - template
    assert own <= set(names)
    assert all(name.isidentifier() and name.isascii() for name in own)


def test_the_expression_stands_in_comments_only():
    source = render(KernelSpec(ExpressionLoss("  x**2\t".strip() + " + y", ["x", "y"]), 1))
    lines = [line for line in source.splitlines() if "x**2 + y" in line]
    assert len(lines) == 2  # the specification and what people read
    assert all(line.startswith("#") for line in lines)
