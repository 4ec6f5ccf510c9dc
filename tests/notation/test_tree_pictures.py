"""Pictures of trees: well-formed, self-contained, no two nodes on one spot, parents below and centred."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eomsym.notation import tree_svg
from eomsym.notation.trees import place_nodes
from eomsym.trees import LEAF, Tree, parse_tree, rooted_trees

TREES = st.recursive(st.just(LEAF), lambda inner: st.lists(inner, max_size=4).map(Tree), max_leaves=12)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("tree", [tree for order in range(1, 8) for tree in rooted_trees(order)], ids=str)
def test_every_node_and_branch_is_drawn_inside_the_picture(tree):
    picture = ElementTree.fromstring(tree_svg(tree))
    width, height = float(picture.get("width")), float(picture.get("height"))
    circles = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in picture.iter(f"{SVG}circle")]
    assert len(set(circles)) == len(circles) == tree.order
    assert len(list(picture.iter(f"{SVG}line"))) == tree.order - 1
    assert all(4 <= x <= width - 4 and 4 <= y <= height - 4 for x, y in circles)
    assert circles[0][1] == max(y for _, y in circles)  # the root, drawn first, is the lowest
    assert picture.find(f"{SVG}title").text.startswith("g")


@given(TREES)
def test_layout_is_tidy(tree):
    nodes = place_nodes(tree)
    assert len(nodes) == tree.order
    for level in {node.level for node in nodes}:
        row = [node.x for node in nodes if node.level == level]
        assert all(right - left >= 1 - 1e-9 for left, right in pairwise(row))
    for number, node in enumerate(nodes):
        children = [other for other in nodes if other.parent == number]
        assert all(child.level == node.level + 1 for child in children)
        if children:
            assert node.x == pytest.approx((children[0].x + children[-1].x) / 2)


def test_smallest_children_stand_left_and_equal_trees_look_equal():
    assert tree_svg(parse_tree("[[],[[]]]")) == tree_svg(parse_tree("[[[]],[]]"))
    assert [(node.x, node.level) for node in place_nodes(parse_tree("[[],[[]]]"))] == [
        (0, 0),
        (-0.5, 1),
        (0.5, 1),
        (0.5, 2),
    ]


def test_one_node():
    assert tree_svg(LEAF).count("<circle") == 1
    assert 'width="16" height="16"' in tree_svg(LEAF)
