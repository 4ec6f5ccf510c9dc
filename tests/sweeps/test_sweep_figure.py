"""The figure of a sweep: a panel for each optimiser on each model, and what is drawn in it."""

import io

import numpy as np
import pytest

from eomsym.drawing import COLOURS
from eomsym.errors import InputError
from eomsym.sweeps import SweepResults
from eomsym.sweeps.figures import sweep_figure
from eomsym.sweeps.results import COLUMNS

ETAS = (0.4, 0.2, 0.1)


def results(cases, failed=()):
    """Results of orders 0 and 1, seeds 0 and 1, in so many cases."""
    import polars

    rows = []
    for number in range(cases):
        for seed in (0, 1):
            for eta in ETAS:
                job = f"{number}-{seed}-{eta}"
                begin = (job, f"optimizer-{number}", "beta = 1/2", "2-3-1 tanh mse", "moons", seed)
                for order in (0, 1):
                    error = (1 + seed) * eta ** (order + 1)
                    numbers = (None,) * 4 if number in failed else (order + 1, error, error, 1e-12)
                    rows.append((*begin, order, eta, 3.2, *numbers, "no" if number in failed else ""))
    return SweepResults(polars.DataFrame(rows, schema=COLUMNS, orient="row"))


def saved(figure, form):
    stream = io.BytesIO()
    figure.savefig(stream, format=form)
    return stream.getvalue()


def drawn(axes, colour, style):
    return [line for line in axes.get_lines() if (line.get_color(), line.get_linestyle()) == (colour, style)]


def test_errors_are_drawn_as_markers_and_predictions_as_dashes():
    (axes,) = sweep_figure(results(1)).axes
    assert axes.get_title() == "optimizer-0, beta = 1/2\n2-3-1 tanh mse, moons"
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    for order in (0, 1):
        colour = COLOURS[order]
        markers = [line for line in drawn(axes, colour, "None") if len(line.get_xdata())]
        dashes = drawn(axes, colour, "--")
        assert len(markers) == len(dashes) == 2
        for seed, (marker, dash) in enumerate(zip(markers, dashes, strict=True)):
            expected = np.transpose([ETAS, [(1 + seed) * eta ** (order + 1) for eta in ETAS]])
            np.testing.assert_array_equal(marker.get_xydata(), expected)
            np.testing.assert_array_equal(dash.get_xydata(), expected)
    assert [text.get_text() for text in axes.texts] == ["1.00", "2.00"]
    assert [tick for tick in axes.get_xticks() if tick in ETAS] == sorted(ETAS, reverse=True)


def test_the_legend_names_each_order_once():
    (legend,) = sweep_figure(results(2)).legends
    assert [text.get_text() for text in legend.get_texts()] == ["$N=0$", "$N=1$", "predicted"]


@pytest.mark.parametrize(("cases", "panels"), [(1, 1), (2, 2), (3, 3), (4, 6), (24, 24)])
def test_panels_stand_in_rows_of_three(cases, panels):
    figure = sweep_figure(results(cases))
    assert len(figure.axes) == panels
    assert sum(axes.axison for axes in figure.axes) == cases


@pytest.mark.parametrize("form", ["png", "pdf", "svg"])
def test_it_can_be_saved(form):
    assert len(saved(sweep_figure(results(4, failed={1})), form)) > 1000


def test_a_panel_without_results_says_so():
    figure = sweep_figure(results(2, failed={0}))
    assert [text.get_text() for text in figure.axes[0].texts] == ["every job failed"]
    assert saved(sweep_figure(results(1, failed={0})), "png")


def test_more_panels_than_can_be_read_are_refused():
    with pytest.raises(InputError, match="25 optimisers on models are more than the 24 panels"):
        sweep_figure(results(25))
