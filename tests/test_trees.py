"""Rooted trees against brute force, classical identities and the tables of the literature."""

import copy
import pickle
from fractions import Fraction
from itertools import pairwise, permutations
from math import factorial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eomsym.errors import InputError
from eomsym.trees import LEAF, MAX_PARSED_NODES, Tree, count_rooted_trees, parse_tree, rooted_trees

TREES = st.recursive(st.just(LEAF), lambda inner: st.lists(inner, max_size=4).map(Tree), max_leaves=12)

#: OEIS A000081, n = 0 … 20.
NUMBER_OF_ROOTED_TREES = (
    *(0, 1, 1, 2, 4, 9, 20, 48, 115, 286, 719, 1842, 4766, 12486, 32973, 87811),
    *(235381, 634847, 1721159, 4688676, 12826228),
)


def parents(tree: Tree) -> list[int | None]:
    """The tree with its nodes numbered in preorder, as the parent of each."""
    numbered: list[int | None] = []

    def visit(node: Tree, parent: int | None) -> None:
        number = len(numbered)
        numbered.append(parent)
        for child in node.children:
            visit(child, number)

    visit(tree, None)
    return numbered


def test_numbers_are_those_of_oeis_a000081():
    assert tuple(count_rooted_trees(n) for n in range(21)) == NUMBER_OF_ROOTED_TREES
    assert tuple(len(rooted_trees(n)) for n in range(1, 13)) == NUMBER_OF_ROOTED_TREES[1:13]


@pytest.mark.parametrize("order", range(1, 11))
def test_enumeration_is_strictly_decreasing_from_chain_to_bush(order):
    trees = rooted_trees(order)
    assert all(tree.order == order for tree in trees)
    assert all(before > after for before, after in pairwise(trees))
    assert trees[0].is_chain
    assert trees[-1].is_bushy


def test_small_trees_in_canonical_order():
    assert [str(tree) for tree in rooted_trees(4)] == ["[[[[]]]]", "[[[],[]]]", "[[[]],[]]", "[[],[],[]]"]
    assert [str(tree) for tree in rooted_trees(5)] == [
        *("[[[[[]]]]]", "[[[[],[]]]]", "[[[[]],[]]]", "[[[],[],[]]]", "[[[[]]],[]]"),
        *("[[[],[]],[]]", "[[[]],[[]]]", "[[[]],[],[]]", "[[],[],[],[]]"),
    ]


@pytest.mark.parametrize("order", [0, -1])
def test_a_tree_has_at_least_one_node(order):
    with pytest.raises(InputError, match="at least 1 node"):
        rooted_trees(order)
    assert count_rooted_trees(order) == 0


def automorphisms(tree: Tree) -> int:
    numbered = parents(tree)
    branches = {(node, parent) for node, parent in enumerate(numbered) if parent is not None}
    return sum(
        {(image[node], image[parent]) for node, parent in branches} == branches
        for image in ((0, *rest) for rest in permutations(range(1, tree.order)))
    )


@pytest.mark.parametrize("tree", [tree for order in range(1, 8) for tree in rooted_trees(order)], ids=str)
def test_symmetry_counts_automorphisms(tree):
    assert tree.symmetry == automorphisms(tree)


@pytest.mark.parametrize("order", range(1, 7))
def test_density_counts_heap_orderings(order):
    """n!/γ labellings decrease from every node to its children (hook length formula)."""
    for tree in rooted_trees(order):
        below = [(node, parent) for node, parent in enumerate(parents(tree)) if parent is not None]
        heaps = sum(all(label[n] < label[p] for n, p in below) for label in permutations(range(order)))
        assert heaps == Fraction(factorial(order), tree.density)


@pytest.mark.parametrize("order", range(1, 11))
def test_sums_over_all_trees(order):
    """Hairer, Lubich & Wanner, section III.1: (n−1)! heap-ordered trees; Cayley: n^{n−1} labelled rooted trees."""
    trees = rooted_trees(order)
    heap_ordered = sum(Fraction(factorial(order), tree.symmetry * tree.density) for tree in trees)
    assert heap_ordered == factorial(order - 1)
    assert sum(factorial(order) // tree.symmetry for tree in trees) == order ** (order - 1)


def test_table_of_hairer_lubich_wanner():
    """Table III.1.1: order 4, from the bush to the chain: σ = 6, 1, 2, 1 and γ = 4, 8, 12, 24."""
    trees = rooted_trees(4)[::-1]
    assert [tree.symmetry for tree in trees] == [6, 1, 2, 1]
    assert [tree.density for tree in trees] == [4, 8, 12, 24]


@pytest.mark.parametrize("order", range(3, 9))
def test_chain_and_bush(order):
    assert [tree.is_chain for tree in rooted_trees(order)] == [True] + [False] * (len(rooted_trees(order)) - 1)
    assert [tree.is_bushy for tree in rooted_trees(order)] == [False] * (len(rooted_trees(order)) - 1) + [True]
    assert rooted_trees(order)[0].density == factorial(order)
    assert rooted_trees(order)[-1].symmetry == factorial(order - 1)


@given(TREES)
def test_parse_undoes_str(tree):
    assert parse_tree(str(tree)) == tree
    assert parse_tree(" " + str(tree).replace(",", " ,\n ")) == tree


@given(st.lists(TREES, max_size=4), st.randoms())
def test_order_of_children_is_irrelevant(children, random):
    shuffled = list(children)
    random.shuffle(shuffled)
    assert Tree(children) == Tree(shuffled)
    assert hash(Tree(children)) == hash(Tree(shuffled))
    assert str(Tree(children)) == str(Tree(shuffled))


@given(TREES)
def test_enumeration_holds_every_tree_once(tree):
    if tree.order <= 9:
        assert rooted_trees(tree.order).count(tree) == 1


@given(TREES, TREES)
def test_order_is_total(one, other):
    assert (one < other) + (one == other) + (one > other) == 1
    assert one.order >= other.order or one < other


def test_a_tree_is_immutable_and_copies_equal():
    tree = parse_tree("[[],[[]]]")
    with pytest.raises(AttributeError, match="immutable"):
        tree.order = 7
    assert pickle.loads(pickle.dumps(tree)) == tree
    assert copy.deepcopy(tree) == tree
    assert repr(tree) == "Tree([[[]],[]])"
    assert tree != "[[],[[]]]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "[",
        "]",
        "[]]",
        "[[]",
        "[][]",
        "[],[]",
        "[,]",
        "[[],]",
        "[,[]]",
        "[[][]]",
        "[[],,[]]",
        "[x]",
        "x",
        "[[)]",
    ],
)
def test_malformed_brackets_are_refused(text):
    with pytest.raises(InputError, match="tree"):
        parse_tree(text)


def test_position_counts_blanks():
    with pytest.raises(InputError, match="unexpected 'x' at position 4"):
        parse_tree("[ []x]")


@pytest.mark.parametrize(
    "text", ["[" * 10**6, "[" * 5000 + "]" * 5000, None, 3, b"[]"], ids=lambda text: repr(text)[:9]
)
def test_large_trees_and_other_types_are_refused_in_one_short_line(text):
    with pytest.raises(InputError) as caught:
        parse_tree(text)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_the_largest_tree_that_is_read_can_be_worked_with():
    tree = parse_tree("[" * MAX_PARSED_NODES + "]" * MAX_PARSED_NODES)
    assert tree.is_chain
    assert tree.symmetry == 1
    assert tree == parse_tree(str(tree))
