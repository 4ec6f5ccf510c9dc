"""What is too large is refused before it begins: counts of trees, and limits."""

import pytest
from counting import at_most

import eomsym
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.derivation.algebras import modified_tree_coefficients
from eomsym.derivation.posing import MAX_ORDER, MAX_TREES
from eomsym.errors import InputError
from eomsym.models import MLP
from eomsym.optimizers import get
from eomsym.trees import count_coloured_trees, count_rooted_trees, rooted_trees
from eomsym.verification.verifying import error_exponents


@pytest.mark.parametrize("nodes", range(1, 12))
def test_one_colour_gives_plain_trees(nodes):
    assert count_coloured_trees(nodes, 1, 1) == [0, *(len(rooted_trees(n)) for n in range(1, nodes + 1))]


def test_two_colours():
    """OEIS A000151: 2, 4, 14, 52, 214, 916, 4116."""
    assert count_coloured_trees(7, 2, 2) == [0, 2, 4, 14, 52, 214, 916, 4116]


@pytest.mark.parametrize(
    ("name", "parameters", "theta"),
    [("mini-batches", {"batches": 3}, 0), ("sgdw", {"beta": "1/2"}, 1), ("extragradient", {}, 0)],
)
def test_a_derivation_has_as_many_trees_as_were_counted(name, parameters, theta):
    entry, terms = get(name), 5
    values = entry.complete(parameters)
    fields = len(entry.fields(**values))
    found = set().union(*modified_tree_coefficients(entry.rule(**values), terms))
    counted = sum(count_coloured_trees(terms, fields, fields + theta))
    vanishing = {"mini-batches": 46, "sgdw": 0, "extragradient": 1}[name]  # coefficients that are zero are left out
    assert len(found) == counted - vanishing


REFUSED = {
    "order 40": (("gradient-descent", 40, {}), "order 40: out of range; give an integer from 0 to 15"),
    "a symbol": (
        ("heavy-ball", 13, {}),
        "order 13: 53272 rooted trees, and 40000 are allowed; give a lower order, or values to the parameters",
    ),
    "two symbols": (
        ("sgdw", 10, {}),
        "order 10: 52642 rooted trees, and 20000 are allowed; give a lower order, or values to the parameters",
    ),
    "many batches": (
        ("mini-batches", 6, {"batches": 6}),
        "order 6: 7801398 rooted trees, and 1333333 are allowed; give a lower order",
    ),
}


@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_too_large_is_refused_at_once(given, message):
    name, order, parameters = given
    with at_most(), pytest.raises(InputError) as caught:
        eomsym.derive(name, order, **parameters)
    assert str(caught.value) == message


def test_the_highest_order_has_fewer_trees_than_are_allowed():
    assert sum(map(count_rooted_trees, range(1, MAX_ORDER + 2))) <= MAX_TREES


@pytest.mark.parametrize("nodes", [22, 40, 10**6])
def test_tables_and_streams_tell_where_they_end(nodes):
    with pytest.raises(InputError, match=r"stream_coefficients goes further.*from 1 to 21"):
        eomsym.tree_table(nodes)
    if nodes > 28:
        with pytest.raises(InputError, match="from 1 to 28"):
            eomsym.stream_coefficients(nodes)


@pytest.mark.parametrize(("layers", "order"), [([2, 100_000, 100_000, 1], 0), ([2, 100_000, 1000, 1], 12)])
def test_networks_that_would_fill_the_memory_are_not_run(layers, order, tmp_path):
    with pytest.raises(InputError, match=r"layers 2,100000,.* parameters would take about .* GB, and 16 are allowed"):
        kernel_for(KernelSpec(MLP(layers, loss="mse"), order), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("order", [20, 40, 10**9])
def test_lists_of_trees_end_before_the_memory_does(order):
    with pytest.raises(InputError, match="too many trees to list; give at most 19, or go through them one by one"):
        rooted_trees(order)


def test_the_powers_of_gradient_descents_errors_need_no_trees():
    with at_most():
        assert error_exponents(get("gradient-descent"), {}, [0, 4, 19]) == {0: 1, 4: 5, 19: 20}
    for order in range(5):
        assert modified_tree_coefficients(get("gradient-descent").rule(), order + 2)[order + 1]
