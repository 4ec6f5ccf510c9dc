"""Results that print: each is a line, a text, a table of HTML, JSON, a frame and a figure, from one description."""

import inspect
import io
import json
import math
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser

import numpy as np
import polars
import pytest

import eomsym
from eomsym import derivation, dynamics, sweeps, tracking, verification
from eomsym.cli import output
from eomsym.derivation import corrected_step, decay_law, derive, modified_generator, modified_loss
from eomsym.derivation.closed_forms import closed_form
from eomsym.derivation.formula import Formula
from eomsym.dynamics import Noise
from eomsym.dynamics.error_prediction import ErrorPrediction
from eomsym.dynamics.loader import Loader
from eomsym.dynamics.noise_equations import Spread
from eomsym.dynamics.noise_record import Ensemble
from eomsym.dynamics.setting import Setting
from eomsym.errors import InputError, MissingExtraError
from eomsym.models import ExpressionLoss
from eomsym.result import Result, Table, plain
from eomsym.tracking import Measurement, Tracker
from eomsym.trees import rooted_trees
from eomsym.verification import (
    Audit,
    Certificate,
    Edge,
    Follow,
    OrderAdvice,
    OrderRecord,
    StepAdvice,
    Terms,
    Translation,
    Verification,
)
from eomsym.verification.auditing import AuditRow
from eomsym.verification.compare import Compared
from eomsym.verification.recommending import Recommendation
from eomsym.verification.scale_law import NormPath, Scale
from eomsym.verification.terms_along import TermPoint, TermRecord, TreeRecord
from eomsym.verification.translation_law import RatePrediction

ETAS = (0.4, 0.2, 0.1, 0.05)
#: The rooms, and what is public of them at the top.
ROOMS = eomsym, derivation, dynamics, sweeps, tracking, verification


def order_record(order):
    errors = tuple(1.01 * eta ** (order + 1) for eta in ETAS)
    return OrderRecord(order, ETAS, errors, tuple(eta ** (order + 1) for eta in ETAS), (1e-12,) * 4)


STUDY = Verification(
    Setting("heavy-ball", model="2-1 tanh", dataset="made <up>", seed=0),
    *(3.2, 2.0, tuple(map(order_record, (0, 2))), ("a note",)),
)


OF = Setting("gradient-descent", model="2-1 tanh", dataset="none", seed=0, eta=0.1)


def term_study():
    trees = tuple(TreeRecord(tree, "1/3", 2.0, math.nan) for tree in rooted_trees(3))
    terms = (TermRecord(0, 1.0, 0.5, 0.0, ()), TermRecord(1, 2.0, -0.3, 0.0, trees))
    edge = (Edge(0, 0.5, "resummed", {"series": math.nan, "resummed": 0.1}, {"series": 2.0, "resummed": 2.5}),)
    points = tuple(TermPoint(step, 1.0, 4.0, 5.0, terms) for step in (0, 10))
    return Terms(OF, 2, points, edge=edge)


def scale_study():
    path = NormPath(np.array([0.0, 1.0]), np.array([2.0, 1.5]), np.array([2.0, 1.5]), {0: np.array([2.0, 1.4])})
    return Scale(OF, 0.01, 1, (order_record(0),), {0: 1e-15}, path)


def noise():
    name = {"loss": np.array([1.0, 0.5])}
    ensemble = Ensemble(10, 0, np.zeros((2, 3)), np.ones(2), 0.1 * np.ones(2), name, {"loss": 0.01 * np.ones(2)})
    spread = Spread(np.ones((3, 1)), np.zeros((3, 0)))
    return Noise(
        OF, Loader(9, 3), 0.0, 1, (0, 5), np.zeros((2, 3)), np.ones(2), spread, 0.0, name, name, ensemble, np.copy
    )


def follow():
    run = np.cumsum(np.ones((4, 2)), axis=0)
    orders = (Compared(0, run + 0.1, 0.1, 1e-9, 40), Compared(1, None, math.nan, math.nan, 9, "path: left"))
    return Follow(Setting("torch.Adam()", (("eta", "1/10"),), "2-1 tanh"), 3, 0, "whole", run, orders, (), 3)


def track():
    tracker = Tracker(order=1)
    tracker.measurements.append(Measurement(5, (1.0, 0.1), 1, (1.0, 0.9, 0.8), 0.2, "series"))
    return tracker


def sweep_results():
    rows = [
        (f"job{eta}", "gradient-descent", "", "2-1", "moons", 0, 0, eta, 1.0, 1, 1.01 * eta, eta, 1e-12, "")
        for eta in ETAS
    ]
    return sweeps.SweepResults(polars.DataFrame(rows, schema=sweeps.results.COLUMNS, orient="row"), missing=2)


AUDIT_ROWS = tuple(AuditRow(order, 1.0, {("series", "nested"): 1e-16}, 1e-9, "") for order in (0, 1))
STEP_ADVICE = StepAdvice(1, 1.0, 1e-3, 0.1, 0.05, 20, 1e-4, 1e-4, ((10, 1e-2), (20, 1e-4)), 0.8, 2.2)
RESULTS = {
    "convergence": STUDY,
    "order": order_record(1),
    "terms": term_study(),
    "scale": scale_study(),
    "translation": Translation(
        *(OF, 0.01, 9, 0.01, 1e-17, 0.01),
        *((RatePrediction(0, 0.01, 1e-6),), (2.0, 1.0), np.array([0.0, 1.0]), np.ones((2, 1))),
    ),
    "recommendation": Recommendation(OF, True, (STEP_ADVICE, replace(STEP_ADVICE, order=2))),
    "audit": Audit("PyTorch 2", 1, 4, AUDIT_ROWS, None, ("a note",)),
    "certificate": Certificate("kernel", (1e-16, 1e-15), (1.0, 0.0), (1e-18, 1e-18), 106, (1e-16, 1e-16)),
    "prediction": ErrorPrediction((0, 1), (1, 2), np.ones((2, 3)), np.zeros(2), np.zeros(3), 9),
    "step advice": STEP_ADVICE,
    "order advice": OrderAdvice(0.1, 1, True, (0.1, 0.01), (0.1, math.inf)),
    "edge": term_study().edge[0],
    "follow": follow(),
    "track": track(),
    "measurement": track().latest,
    "noise": noise(),
    "sweep": sweep_results(),
    "derive": derive("heavy-ball", order=2),
    "derive Adam": derive("adam", order=1),
    "whole state": derive("heavy-ball", order=1, state="whole"),
    "start": derive("heavy-ball", order=2, start=True).start,
    "generator": modified_generator(2),
    "modified loss": modified_loss(order=2),
    "law": decay_law(0.01, 0.01, range(3)),
    "closed": closed_form(ExpressionLoss("x**2*y", ["x", "y"]), 1),
    "corrected": corrected_step(2),
}
#: What has no two columns of numbers cannot be drawn.
NO_FIGURE = {"measurement", "start", "generator", "modified loss", "corrected", "derive Adam", "whole state", "closed"}


class Cells(HTMLParser):
    """Reads the cells of tables and checks that every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.cells = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] == ["td"]:
            self.cells.append(data)


@pytest.mark.parametrize("name", RESULTS)
def test_every_form_of_every_result(name):
    result = RESULTS[name]
    assert re.fullmatch(rf"{type(result).__name__}\(.+\)", repr(result))
    assert len(repr(result)) <= 160
    assert len(str(result)) > len(type(result).__name__)
    assert "array(" not in str(result)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False)) == json.loads(result.to_json())
    rows = result.records()
    assert result.to_polars().height == len(rows) > 0
    assert {type(value) for row in rows for value in row.values()} <= {int, float, str, bool, type(None)}
    if name in NO_FIGURE:
        with pytest.raises(InputError, match=r"no two rows and columns of numbers|not over plain rooted trees"):
            result.plot()
    else:
        stream = io.BytesIO()
        result.plot().savefig(stream)
        assert stream.tell() > 1000


@pytest.mark.parametrize("name", [name for name, result in RESULTS.items() if isinstance(result, Formula)])
def test_a_notebook_shows_a_formula_as_latex(name):
    result = RESULTS[name]
    assert result._repr_html_() is None
    assert result._repr_latex_() == f"$${result.latex()}$$"


def test_a_notebook_shows_the_table_of_the_text_and_markup_of_people_is_text():
    html = STUDY._repr_html_()
    assert "made &lt;up&gt;" in html
    rows = "0 1 1.0000 1.0100 5.1e-02 passed", "2 3 3.0000 1.0100 1.3e-04 passed"
    assert Cells(html).cells == " ".join(rows).split()


@pytest.mark.parametrize("name", ["convergence", "follow", "scale", "sweep", "noise"])
def test_the_text_is_what_the_command_line_prints(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    output.set_quiet(False)
    output.show_result(RESULTS[name])
    told = capsys.readouterr()
    assert told.out == f"{RESULTS[name]}\n"
    warnings = getattr(RESULTS[name], "warnings", ())
    assert told.err.splitlines() == [f"eomsym: warning: {warning}" for warning in warnings]


def test_json_of_verify_has_the_slopes_and_none_for_what_does_not_exist():
    lame = replace(STUDY, orders=(STUDY.orders[0], replace(STUDY.orders[1], floors=(1.0,) * 4)))
    found = json.loads(lame.to_json())
    assert found["slopes"] == [pytest.approx(1), None]
    assert found["slopes"][0] == found["orders"][0]["slope"]


def test_a_frame_has_the_numbers_of_the_study():
    frame = STUDY.to_polars()
    assert frame.columns == ["order", "eta", "error", "predicted_error", "error_ratio", "floor", "at_floor"]
    for order, errors in zip((0, 2), STUDY.errors, strict=True):
        assert frame.filter(polars.col("order") == order)["error"].to_list() == errors.tolist()


def test_numbers_of_numpy_and_exact_ones_become_plain():
    found = plain(
        {
            "a": np.float64("nan"),
            "b": np.arange(2),
            "c": (True, np.bool_(True)),
            3: next(iter(derive(order=1).rows[1].values())),
        }
    )
    assert found == {"a": None, "b": [0, 1], "c": [True, True], "3": "1/2"}
    assert type(found["c"][1]) is bool
    assert plain(eomsym.DoubleDouble.from_value(["1e-40", "0.1"])) == ["1.0e-40", "0.1"]


def test_a_plain_table_is_as_wide_as_its_cells_and_a_line_across_is_none_of_its_rows():
    table = Table(["order", "word"], [["1", "a"], None, ["12345678", "bcd"]], words=(-1,))
    assert str(table) == "   order  word\n       1  a\n12345678  bcd"


def test_a_table_of_rows_names_a_cell_and_its_form_and_says_none_for_what_does_not_exist():
    columns = {"N": "order", "how far": "error:.1e", "why": "reason"}
    rows = [Compared(1, None, 1.234e-5, 0.0, 3, "lost"), {"order": 2, "error": None, "reason": None}]
    table = Table.of(rows, columns, words=(-1,))
    assert (table.head, table.words) == (["N", "how far", "why"], (-1,))
    assert table.rows == [["1", "1.2e-05", "lost"], ["2", "none", "none"]]
    assert Table.of([{"error": math.nan}], {"": "error:.1e"}).rows == [["none"]]
    with pytest.raises(AttributeError):
        Table.of(rows[:1], {"N": "nothing"})


@dataclass(frozen=True, repr=False)
class Sized(Result):
    size: int
    parts: object
    more: object = None
    told, rows_of = ("size", "parts", "more?"), "parts"


def test_what_is_not_there_is_left_out_where_it_may_be_and_records_are_the_rows_that_are_named():
    found = Sized(0, np.arange(2))
    assert found.to_dict() == {"size": 0, "parts": [0, 1]}
    assert Sized(0, [], {"a": 1}).to_dict() == {"size": 0, "parts": [], "more": {"a": 1}}
    assert found.records() == [0, 1]


def _of(room, name):
    """What a room has by that name; None where the extra that it needs is not installed."""
    try:
        return getattr(room, name, None)
    except MissingExtraError:
        return None


def _results_of_public_functions():
    """``(function, names of classes in what it is annotated to return)`` for all functions of the rooms."""
    for room in ROOMS:
        for name in room.__all__:
            found = _of(room, name)
            if inspect.isfunction(found) and isinstance(said := found.__annotations__.get("return"), str):
                yield f"{room.__name__}.{name}", re.findall(r"\w+", said)


#: What public functions return that is no finding: what to work with, or a number with its parts.
NO_RESULTS = {
    "Design",
    "Kernel",
    "LoopKernel",
    "TreeTable",
}


def test_what_public_functions_return_is_a_result():
    classes = {name: found for room in ROOMS for name in dir(room) if inspect.isclass(found := _of(room, name))}
    seen = {}
    for function, names in _results_of_public_functions():
        for name in names:
            found = classes.get(name)
            if found is not None and found.__module__.startswith("eomsym.") and name not in NO_RESULTS:
                assert issubclass(found, Result), f"{function} returns a {name}"
                seen[name] = found
    assert len(seen) > 20
    assert eomsym.Certificate in seen.values()
