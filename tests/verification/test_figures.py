"""Figures of what was verified: what is drawn, and that every one can be saved."""

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from eomsym.drawing import COLOURS
from eomsym.dynamics.setting import Setting
from eomsym.errors import InputError
from eomsym.trees import rooted_trees
from eomsym.verification import OrderAdvice, OrderRecord, Terms, Translation, Verification
from eomsym.verification.figures import (
    convergence_figure,
    error_ratio_figure,
    scale_figure,
    terms_figure,
    translation_figure,
    tree_share_figure,
    truncation_figure,
)
from eomsym.verification.scale_law import NormPath, Scale
from eomsym.verification.terms_along import TermPoint, TermRecord, TreeRecord
from eomsym.verification.translation_law import RatePrediction

ETAS = (0.4, 0.2, 0.1, 0.05)


def of(eta):
    return Setting("gradient-descent", model="made up", dataset="none", seed=0, eta=eta)


def saved(figure, form="png"):
    stream = io.BytesIO()
    figure.savefig(stream, format=form)
    return stream.getvalue()


def lines(figure):
    return figure.axes[0].get_lines()


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def record(order):
    return OrderRecord(
        order,
        etas=ETAS,
        errors=tuple((1 - 0.3 * eta) * eta ** (order + 1) for eta in ETAS),
        predicted_errors=tuple(eta ** (order + 1) for eta in ETAS),
        floors=(1e-7,) * len(ETAS),
    )


@pytest.fixture
def study():
    setting = Setting("gradient-descent", model="2-1 tanh mse", dataset="made up", seed=0)
    return Verification(setting, 3.2, 2.0, tuple(map(record, range(4))))


@pytest.mark.parametrize("form", ["png", "pdf", "svg"])
def test_every_figure_can_be_saved(study, form):
    for figure in (convergence_figure(study), error_ratio_figure(study)):
        assert isinstance(figure, Figure)
        assert len(saved(figure, form)) > 1000


def test_errors_are_drawn_over_step_sizes_full_above_the_floor_and_hollow_at_it(study):
    axes = convergence_figure(study).axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    predicted, full, hollow = axes.get_lines()[9:12]
    last = study.orders[3]
    assert last.at_floor == (False, False, False, True)
    np.testing.assert_array_equal(predicted.get_xydata(), np.transpose([last.etas, last.predicted_errors]))
    np.testing.assert_array_equal(full.get_xydata(), np.transpose([last.etas, last.errors])[:3])
    np.testing.assert_array_equal(hollow.get_xydata(), np.transpose([last.etas, last.errors])[3:])
    assert predicted.get_linestyle() == "--"
    assert full.get_markerfacecolor() == full.get_color()
    assert hollow.get_markerfacecolor() == "white"


def test_the_legend_mentions_the_floor_only_where_one_is_met(study):
    entries = [text.get_text() for text in convergence_figure(study).axes[0].get_legend().get_texts()]
    assert entries[:2] == ["measured", "lost in round-off"]
    clean = replace(study, orders=study.orders[:2])
    entries = [text.get_text() for text in convergence_figure(clean).axes[0].get_legend().get_texts()]
    assert len(entries) == 2
    assert "lost in round-off" not in entries


def test_each_order_is_labelled_with_its_slope_in_its_colour(study):
    figure = convergence_figure(study)
    for label, shown, found in zip(texts(figure), study.orders, figure.axes[0].texts, strict=True):
        assert label == f"$N={shown.order}$: slope {shown.slope:.3f}"
        assert found.get_color() == COLOURS[shown.order]


def test_orders_have_colours_and_markers_of_their_own(study):
    many = replace(study, orders=tuple(map(record, range(10))))
    drawn = lines(convergence_figure(many))[1::3]
    assert len({(line.get_color(), line.get_marker()) for line in drawn}) == 10


def test_the_labels_lie_inside_the_figure(study):
    figure = convergence_figure(study)
    saved(figure)
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert figure.axes[0].bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1


def test_ratios_above_the_floor_are_drawn_down_to_step_size_zero(study):
    figure = error_ratio_figure(study)
    axes = figure.axes[0]
    assert axes.get_xlim()[0] == 0
    for line, shown in zip(axes.get_lines()[1:], study.orders, strict=True):
        count = shown.points_above_floor
        np.testing.assert_array_equal(line.get_xydata(), np.transpose([shown.etas, shown.error_ratio])[:count])
    assert axes.get_lines()[1].get_label() == r"$N=0$: 1.0000 at $\eta=0$"


def test_a_study_that_fails_is_legible(study):
    """Errors that do not fall: labels stay apart, and the ratio that runs away does not press the others flat."""
    failed = replace(study, orders=tuple(replace(shown, errors=(0.1,) * 4) for shown in study.orders))
    figure = convergence_figure(failed)
    saved(figure)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert max(failed.orders[3].error_ratio) > 1000
    assert error_ratio_figure(failed).axes[0].get_ylim() == (0, 3)


def test_a_study_without_any_error_can_be_drawn(study):
    nothing = replace(study, orders=(replace(record(0), errors=(0.0,) * 4, floors=(0.0,) * 4),))
    assert saved(convergence_figure(nothing))
    assert saved(error_ratio_figure(nothing))
    assert texts(convergence_figure(nothing)) == ["$N=0$: slope none"]


def term_study():
    """Made up: two points, ξ_0 along g and ξ_1 against it."""
    chain, bush = rooted_trees(3)
    first = TermRecord(0, 1.0, 0.5, 0.0, (TreeRecord(rooted_trees(2)[0], "1/2", 1.0, 0.5),))
    trees = (TreeRecord(chain, "1/3", 2.0, 0.1), TreeRecord(bush, "1/12", 1.0, -0.7))
    terms = (first, TermRecord(1, 2.0, -0.3, 0.0, trees))
    return Terms(of(0.1), 2, tuple(TermPoint(k, 1.0, 4.0, 5.0 + k, terms) for k in (0, 10)))


def test_translation_shows_the_distance_from_gradient_flow_and_the_error_of_each_order():
    times = np.linspace(0, 20, 11)
    sums = np.exp(-0.0100005 * times)[:, None] * np.array([1.0, -2.0])
    predictions = tuple(RatePrediction(k, 0.01 + 5e-7 * (k > 0), 10.0 ** (-6 - 4 * k)) for k in range(3))
    settings = (of(0.01), 0.01, 2000)
    figure = translation_figure(
        Translation(*settings, 0.0100005, 1e-17, 0.0100006, predictions, (2.0, 1.0), times, sums)
    )
    assert saved(figure)
    left, right = figure.axes
    flow, first, measured = left.get_lines()
    assert not flow.get_ydata().any()
    np.testing.assert_allclose(measured.get_ydata(), first.get_ydata()[::5], atol=1e-15)
    assert [line.get_ydata()[0] for line in right.get_lines()[:3]] == [1e-6, 1e-10, 1e-14]


def test_scale_shows_the_path_of_every_order_and_its_error():
    norms = np.linspace(2, 1, 9)
    path = NormPath(np.arange(9.0), norms, norms, {k: norms + 0.1 * k for k in range(2)})
    records = tuple(map(record, range(2)))
    study = Scale(of(0.1), 0.1, 3, records, {0: 0.0}, path)
    figure = scale_figure(study)
    assert saved(figure)
    left, right = figure.axes
    np.testing.assert_array_equal(left.get_lines()[1].get_ydata(), norms + 0.1)
    np.testing.assert_array_equal(left.get_lines()[2].get_ydata(), norms)
    np.testing.assert_array_equal(right.get_lines()[0].get_ydata(), records[0].predicted_errors)


def test_terms_show_shares_cosines_and_sharpness():
    figure = terms_figure(term_study())
    assert saved(figure)
    shares, cosines, sharpness = figure.axes
    np.testing.assert_allclose(shares.get_lines()[1].get_ydata(), 2 * [0.1**2 * 2.0 / 4.0])
    np.testing.assert_allclose(cosines.get_lines()[1].get_ydata(), [-0.3, -0.3])
    np.testing.assert_allclose(sharpness.get_lines()[0].get_ydata(), [0.5, 1.5])


def test_shares_of_trees_are_hollow_where_they_point_against_the_gradient():
    figure = tree_share_figure(term_study(), step=0)
    assert saved(figure)
    bars = figure.axes[0].patches
    np.testing.assert_allclose([bar.get_width() for bar in bars], [0.1 / 4, 0.01 * 2 / 4, 0.01 / 4])
    named = [(entry.get_text(), patch.get_facecolor()) for entry, patch in legend_of(figure)]
    assert named == [(r"$\xi_0$", bars[0].get_facecolor()), (r"$\xi_1$", bars[1].get_facecolor())]
    assert [bar.get_facecolor() == (1, 1, 1, 1) for bar in bars] == [False, False, True]
    with pytest.raises(InputError, match="step 3: not looked at; give one of 0, 10"):
        tree_share_figure(term_study(), step=3)


def legend_of(figure):
    legend = figure.axes[0].get_legend()
    return zip(legend.get_texts(), legend.get_patches(), strict=True)


def test_the_legend_of_ratios_hides_no_line(study):
    figure = error_ratio_figure(study)
    saved(figure)
    (legend,) = figure.legends
    assert legend.get_window_extent().x0 >= figure.axes[0].bbox.x1


def test_truncation_rings_the_order_where_the_series_turns():
    advices = [
        OrderAdvice(0.1, 2, False, (1e-1, 1e-2, 1e-3), (0.0,) * 3),
        OrderAdvice(0.5, 1, True, (1.0, 0.5, 2.0), (0.0,) * 3),
    ]
    figure = truncation_figure(advices)
    assert saved(figure)
    assert len(lines(figure)) == 3
    np.testing.assert_array_equal(lines(figure)[2].get_xydata(), [[1, 0.5]])
    with pytest.raises(InputError, match="none to draw"):
        truncation_figure([])
