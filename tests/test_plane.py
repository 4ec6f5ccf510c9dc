"""The page to play with: it is what its generator writes, its tables are right by other routes, browsers draw them."""

from __future__ import annotations

import runpy
from fractions import Fraction
from math import comb
from pathlib import Path

import numpy as np
import pytest
import sympy
from browser import CHROMIUM, NARROW, WIDE, visit
from scipy.integrate import solve_ivp
from second_routes.lie import lie_counterterms

PLAY = Path(__file__).parents[1] / "docs" / "play"
WRITER = runpy.run_path(str(PLAY / "write.py"))
ORDER, PLANES = WRITER["ORDER"], WRITER["PLANES"]
X, Y = sympy.symbols("x y")


@pytest.fixture(scope="module")
def tables():
    return WRITER["tables"]()


def in_beta(terms, beta):
    return sum(number * beta**power for power, number in terms)


def column(plane, tree, x, y):
    table = plane["differentials"][tree]
    return [sum(Fraction(number, table["over"]) * x**i * y**j for i, j, number in part) for part in table["parts"]]


def row(plane, terms, beta, x, y):
    """What the script in the page makes of one row of trees, in exact numbers."""
    weights = [(tree, in_beta(above, beta) / Fraction(in_beta(below, beta))) for tree, above, below in terms]
    return [sum(weight * column(plane, tree, x, y)[axis] for tree, weight in weights) for axis in (0, 1)]


def gradient(about):
    return about["field"] if "field" in about else [about["loss"].diff(X), about["loss"].diff(Y)]


def test_the_committed_page_is_what_the_generator_writes():
    assert (PLAY / "plane.html").read_text(encoding="utf-8") == WRITER["page"](), "run docs/play/write.py"


@pytest.mark.parametrize("name", PLANES)
def test_without_momentum_its_rows_are_those_of_lie_derivatives(name, tables):
    """At a rational point, exactly; ξ_k in the place of ξ_{k+1} is found."""
    (plane,) = (plane for plane in tables["planes"] if plane["name"] == name)
    point = Fraction(-7, 5), Fraction(3, 4)
    values = {X: sympy.Rational(-7, 5), Y: sympy.Rational(3, 4)}
    g = gradient(PLANES[name])
    wanted = [[Fraction(str(c.subs(values))) for c in rows] for rows in [g, *lie_counterterms(g, [X, Y], ORDER)]]
    assert [row(plane, terms, 0, *point) for terms in tables["field"]] == wanted
    assert row(plane, tables["field"][1], 0, *point) != wanted[2]
    assert all(row(plane, terms, 0, *point) == [0, 0] for terms in tables["start"])


@pytest.mark.parametrize("beta", [Fraction(1, 2), Fraction(9, 10)])
def test_with_momentum_the_two_players_have_the_closed_form(beta, tables):
    """g = a z, a = 0.09 + i: row k is ``a^{k+1}/(k+1) Σ_j C(k,j)² β^j/(1−β)^{2k+1}``, the log of the larger root."""
    (plane,) = (plane for plane in tables["planes"] if plane["name"] == "Two players")
    for k, terms in enumerate(tables["field"]):
        a = np.array([[Fraction(9, 100), Fraction(-1)], [Fraction(1), Fraction(9, 100)]])
        factor = sum(comb(k, j) ** 2 * beta**j for j in range(k + 1)) / ((k + 1) * (1 - beta) ** (2 * k + 1))
        wanted = factor * np.linalg.matrix_power(a, k + 1) @ np.array([Fraction(3), Fraction(-2)])
        assert row(plane, terms, beta, Fraction(3), Fraction(-2)) == wanted.tolist()


def test_whole_numbers_survive_the_way_through_a_browser(tables):
    """JavaScript reads them as float64."""
    parts = (part for plane in tables["planes"] for table in plane["differentials"] for part in table["parts"])
    assert max(abs(term[-1]) for part in parts for term in part) < 2**53


# Moves every slider of every plane and returns, plane by plane: what is measured and whether the picture changed.
MOVED = """
const picture = () => element("plane").toDataURL();
const changed = (act) => {
  const before = picture();
  act();
  return picture() !== before;
};
const move = (name, value) => changed(() => {
  element(name).value = value;
  element(name).dispatchEvent(new Event("input"));
});
const key = (name) => changed(() => element("plane").dispatchEvent(new KeyboardEvent("keydown", { key: name })));
const tap = (across, down) => changed(() => {
  const box = element("plane").getBoundingClientRect();
  const at = { clientX: box.left + across * box.width, clientY: box.top + down * box.height, pointerId: 1 };
  element("plane").setPointerCapture = () => 0; // of a finger that is none
  for (const name of ["pointerdown", "pointerup"]) element("plane").dispatchEvent(new PointerEvent(name, at));
});
return DATA.planes.map((plane, n) => {
  if (n) move("which", n);
  const found = { name: plane.name, eta: plane.eta.first, time: state.time, first: now.distances };
  found.changed = [move("eta", plane.eta.first / 8), move("order", 0), move("beta", 0.2)];
  found.momentum = [now.distances, halved.distances];
  const starts = DATA.start;
  DATA.start = starts.map(() => []);
  update();
  found.unshifted = [now.distances, halved.distances];
  DATA.start = starts;
  found.changed.push(move("beta", 0), move("order", 1));
  found.plain = [now.distances, halved.distances];
  found.changed.push(move("time", state.time / 2), key("ArrowLeft"), tap(0.5, 0.5));
  found.start = state.start;
  return found;
});
"""


def distances(name, eta, time):
    """The same from Python: gradient descent in NumPy, counter terms by Lie derivatives, SciPy's integrator."""
    g = gradient(PLANES[name])
    rows = [g, *lie_counterterms(g, [X, Y], ORDER)]
    terms = [sympy.lambdify([X, Y], component) for component in rows]
    path, steps = [np.array(PLANES[name]["start"])], round(time / eta)
    for _ in range(steps):
        path.append(path[-1] - eta * np.array(terms[0](*path[-1])))
    half = steps // 2

    def greatest(order):
        def field(_, point):
            return -sum(eta**k * np.array(terms[k](*point)) for k in range(order + 1))

        at = eta * np.arange(steps + 1)
        solved = solve_ivp(field, (0, at[-1]), path[0], t_eval=at, method="DOP853", rtol=1e-12, atol=1e-13)
        return np.linalg.norm(solved.y.T - path, axis=1)[half:].max()

    return [greatest(order) for order in range(ORDER + 1)]


def middle(name):
    left, right, bottom, top = PLANES[name]["window"]
    return [(left + right) / 2, (bottom + top) / 2]


IN_A_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (Debian: apt-get install chromium)")


@pytest.mark.slow
@IN_A_BROWSER
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_in_a_browser_sliders_move_the_curves_and_orders_rank_as_theory_says(width, tmp_path):
    page = tmp_path / "plane.html"
    page.write_text((PLAY / "plane.html").read_text(encoding="utf-8"), encoding="utf-8")
    seen = visit(page, f"return [document.documentElement.scrollWidth <= innerWidth, (() => {{{MOVED}}})()]", width)
    assert (seen.said, seen.asked) == ([], [])
    fits, planes = seen.found
    assert fits
    assert [plane["name"] for plane in planes] == list(PLANES)
    for plane in planes:
        assert all(plane["changed"]), plane["name"]
        assert plane["first"] == pytest.approx(distances(plane["name"], plane["eta"], plane["time"]), rel=2e-3)
        falls = {way: np.log2(np.divide(*plane[way])) for way in ("plain", "momentum", "unshifted")}
        for way in ("plain", "momentum"):
            assert plane[way][0] == sorted(plane[way][0], reverse=True)
            assert falls[way] == pytest.approx(1 + np.arange(ORDER + 1), abs=0.3), (plane["name"], way)
        assert max(falls["unshifted"][2:]) < 1.5, "from the start of the steps themselves the slope stays at 1"
        assert plane["start"] == pytest.approx(middle(plane["name"]), abs=1e-2)


@pytest.mark.slow
@IN_A_BROWSER
def test_a_page_that_asks_elsewhere_or_complains_is_found(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><img src='https://example.org/a.png'><script>undefined_name</script>")
    seen = visit(page, "return 1")
    assert [line for line in seen.said if "undefined_name" in line]
    assert "https://example.org/a.png" in seen.asked
