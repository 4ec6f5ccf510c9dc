"""Positions in canonical order against the list itself, and digits against one another where there is no list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eomsym.errors import InputError
from eomsym.tree_positions import block_start, iterate_trees, position_of, tree_at
from eomsym.trees import LEAF, Tree, count_rooted_trees, rooted_trees

TREES = st.recursive(st.just(LEAF), lambda inner: st.lists(inner, max_size=4).map(Tree), max_leaves=14)


@pytest.mark.parametrize("order", range(1, 12))
def test_positions_are_those_of_the_list(order):
    trees = rooted_trees(order)
    assert [position_of(tree) for tree in trees] == list(range(len(trees)))
    assert tuple(tree_at(order, position) for position in range(len(trees))) == trees


@pytest.mark.parametrize("order", range(2, 11))
def test_blocks_start_where_children_become_smaller(order):
    trees = rooted_trees(order)
    for size in range(1, order):
        for index, child in enumerate(rooted_trees(size)):
            expected = sum(tree.children[0] > child for tree in trees)
            assert block_start(order, size, index) == expected
        assert block_start(order, size, count_rooted_trees(size)) == sum(t.children[0].order >= size for t in trees)


@pytest.mark.parametrize("order", range(1, 9))
def test_iteration_from_every_start(order):
    trees = rooted_trees(order)
    for start in range(len(trees) + 1):
        assert tuple(iterate_trees(order, start)) == trees[start:]


@given(TREES)
def test_tree_at_undoes_position_of(tree):
    assert tree_at(tree.order, position_of(tree)) == tree


@given(st.integers(12, 28).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, count_rooted_trees(n) - 2))))
def test_neighbours_far_beyond_any_list(place):
    order, position = place
    tree, following = tree_at(order, position), tree_at(order, position + 1)
    assert tree > following
    assert (position_of(tree), position_of(following)) == (position, position + 1)
    onward = iterate_trees(order, position)
    assert [next(onward), next(onward)] == [tree, following]


@pytest.mark.parametrize("order", [2, 9, 20, 28])
def test_the_list_ends_with_chain_and_bush(order):
    assert tree_at(order, 0).is_chain
    assert tree_at(order, count_rooted_trees(order) - 1).is_bushy


@pytest.mark.parametrize(("order", "position"), [(0, 0), (4, -1), (4, 4), (4, 5)])
def test_places_without_a_tree_are_refused(order, position):
    with pytest.raises(InputError, match=f"(order|position) {position if order else 0}"):
        tree_at(order, position)


@pytest.mark.parametrize("start", [-1, 5])
def test_iteration_refuses_starts_outside_the_list(start):
    with pytest.raises(InputError, match=f"position {start}: there are 4 trees with 4 nodes"):
        iterate_trees(4, start)
