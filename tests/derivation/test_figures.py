"""Pictures of trees: what is drawn, that nothing overlaps, and that every one can be saved."""

import io

import numpy as np
import pytest
from forms import EVERY
from matplotlib.figure import Figure

from eomsym import derive
from eomsym.derivation.figures import tree_figure
from eomsym.errors import InputError
from eomsym.trees import rooted_trees


def saved(figure, form="png"):
    stream = io.BytesIO()
    figure.savefig(stream, format=form)
    return stream.getvalue()


def lines(figure):
    return figure.axes[0].get_lines()


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("form", ["png", "pdf", "svg"])
def test_counter_terms_draw_themselves(form):
    figure = derive(order=3).plot(columns=2)
    assert isinstance(figure, Figure)
    assert len(saved(figure, form)) > 1000
    assert texts(figure) == texts(tree_figure(derive(order=3), columns=2))


def test_trees_of_counter_terms_carry_their_coefficients():
    figure = tree_figure(derive(order=3))
    assert texts(figure) == [
        r"$\xi_{0}$",
        r"$\dfrac{1}{2}$",
        r"$\xi_{1}$",
        r"$\dfrac{1}{3}$",
        r"$\dfrac{1}{12}$",
        r"$\xi_{2}$",
        r"$\dfrac{1}{4}$",
        r"$\dfrac{1}{12}$",
        r"$\dfrac{1}{12}$",
        "$0$",
    ]


@pytest.mark.parametrize("name", EVERY)
def test_counter_terms_of_every_optimizer_can_be_drawn(name):
    counterterms = derive(name, order=1)
    if counterterms.plain:
        assert saved(tree_figure(counterterms))
    else:
        with pytest.raises(InputError, match="not over plain rooted trees"):
            tree_figure(counterterms)


def test_trees_alone_carry_their_differentials():
    labels = texts(tree_figure([tree for order in range(1, 5) for tree in rooted_trees(order)]))
    expected = ["g", "g'g", "g'g'g", "g''(g,g)", "g'g'g'g", "g'g''(g,g)", "g''(g,g'g)", "g'''(g,g,g)"]
    assert [label for label in labels if label] == [f"${label}$" for label in expected]
    assert r"$g^{(4)}(g,g,g,g)$" in texts(tree_figure(rooted_trees(5)))


@pytest.mark.parametrize("order", range(1, 8))
def test_a_tree_is_drawn_with_all_its_nodes_and_branches_root_lowest(order):
    for tree in rooted_trees(order):
        figure = tree_figure([tree])
        (dots,) = figure.axes[0].collections
        positions = dots.get_offsets()
        assert len({tuple(position) for position in positions}) == order
        assert len(lines(figure)) == order - 1
        root = positions[0]
        assert (positions[1:, 1] > root[1]).all()
        for branch in lines(figure):
            (_, below), (_, above) = branch.get_xydata()
            assert above > below


def test_nothing_that_is_drawn_overlaps():
    """Dots of all trees keep a distance, and so do the labels."""
    figure = tree_figure(derive(order=4), columns=5)
    saved(figure)
    dots = np.concatenate([collection.get_offsets() for collection in figure.axes[0].collections])
    distances = np.linalg.norm(dots[:, None] - dots[None, :], axis=2) + 9 * np.eye(len(dots))
    assert distances.min() > 0.15
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


@pytest.mark.parametrize("trees", [[], derive(order=0)])
def test_no_trees_are_refused(trees):
    with pytest.raises(InputError, match="trees: none to draw"):
        tree_figure(trees)


@pytest.mark.parametrize("columns", [0, 1.5, True])
def test_columns_that_are_none_are_refused(columns):
    with pytest.raises(InputError, match=f"columns {columns}"):
        tree_figure(rooted_trees(3), columns=columns)
