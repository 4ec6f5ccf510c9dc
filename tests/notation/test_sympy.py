"""Elementary differentials of concrete fields as SymPy expressions."""

from itertools import product

import pytest
import sympy

from eomsym.errors import InputError
from eomsym.notation import elementary_differentials
from eomsym.trees import LEAF, parse_tree, rooted_trees

x, y, z, a, b = sympy.symbols("x y z a b")


def by_definition(field, variables, tree):
    """g^{(m)}(F_1, …, F_m) as the plain sum over all m-tuples of variables."""
    arguments = [by_definition(field, variables, child) for child in tree.children]
    size = range(len(variables))
    entries = []
    for component in field:
        total = sympy.S.Zero
        for indices in product(size, repeat=len(arguments)):
            partial = component.diff(*(variables[i] for i in indices)) if indices else component
            total += partial * sympy.Mul(*(argument[i] for argument, i in zip(arguments, indices, strict=True)))
        entries.append(total)
    return entries


FIELDS = {
    "polynomial": ([x**3 * y + z, x * y * z - 1, z**2 * x**2], [x, y, z]),
    "with constants": ([a * x**2 * y + 1, b * x - y**3 / a], [x, y]),
    "transcendental": ([sympy.exp(x) * y, sympy.sin(x * y)], [x, y]),
    "algebraic numbers": ([sympy.sqrt(2) * x**2 * y, x - sympy.pi * y**3], [x, y]),
    "rational": ([x / (1 + y), y / x], [x, y]),
    "constant": ([sympy.Integer(2), a], [x, y]),
}


@pytest.mark.parametrize(("field", "variables"), FIELDS.values(), ids=FIELDS)
def test_elementary_differentials_against_their_definition(field, variables):
    trees = [tree for order in range(1, 5) for tree in rooted_trees(order)] + [parse_tree("[[[]],[[]],[]]")]
    found = elementary_differentials(field, variables, trees)
    assert list(found) == trees
    for tree in trees:
        expected = by_definition(field, variables, tree)
        assert [sympy.cancel(one - other) for one, other in zip(found[tree], expected, strict=True)] == [0] * len(field)


@pytest.mark.parametrize(
    ("field", "variables", "fault"),
    [
        (["x"], [x], "not a SymPy expression"),
        ([x], [x, y], "1 components for 2 variables"),
        ([x], [], "at least one symbol"),
        ([x], ["x"], "not a SymPy symbol"),
    ],
)
def test_a_field_must_fit_its_variables(field, variables, fault):
    with pytest.raises(InputError, match=fault):
        elementary_differentials(field, variables, [LEAF])
