"""The benchmark suite: its unit and its peers compute what the kernels compute, and its tables line up."""

import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eomsym
from benchmarks import cases, libraries, processes, startup, step_weights, tables, timing, walk
from benchmarks.__main__ import SECTIONS, main
from benchmarks.kernels import REFERENCE, difference
from benchmarks.numpy_gradient import gradient_function
from eomsym.models import MLP


@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_unit_is_the_gradient(loss):
    random = np.random.default_rng(2)
    layers = (2, 16, 16, 1) if loss == "mse" else (64, 32, 10)
    model = MLP(layers, "tanh", loss)
    inputs = random.standard_normal((67, layers[0]))
    targets = random.standard_normal((67, 1)) if loss == "mse" else random.integers(0, layers[-1], 67)
    theta = model.initial(1)
    name = "_".join(map(str, ("mlp", *layers, "tanh", loss.replace("-", "_"), "gradient_descent_order_5_double")))
    kernel = eomsym.load(Path(processes.ROOT, "generated", f"{name}.py"))
    gradient = gradient_function(layers, loss, inputs, targets)
    before = theta.copy()
    apart = difference(gradient(theta)[None], kernel.gradient(theta, inputs, targets)[None])
    assert apart < 1e-13
    assert np.array_equal(theta, before)
    # It is called many times: nothing of one call may be left in the next.
    assert np.array_equal(gradient(theta), gradient(theta))


def test_cases_are_what_the_reference_is_of():
    made = {name: cases.case(name) for name in cases.NETS}
    assert {name: (case.model.layers, len(case.inputs)) for name, case in made.items()} == {
        "tiny": ((2, 16, 16, 1), 256),
        "digits": ((64, 32, 10), 1797),
        "wide": ((784, 256, 10), 1024),
    }
    assert all(len(REFERENCE[name]) == len(cases.TERMS) for name in cases.NETS)


def test_difference_sees_one_wrong_row():
    rows = np.ones((3, 4))
    wrong = rows.copy()
    wrong[1, 2] += 1e-3
    assert difference(rows, rows) == 0
    assert difference(wrong, rows) == pytest.approx(5e-4)


words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(words, min_size=n, max_size=n), min_size=2, max_size=6)))
def test_tables_line_up(lines):
    header, *rows = lines
    text = tables.table(header, rows).splitlines()
    assert len(text) == len(rows) + 2
    starts = [0]
    for rule in text[1].split("  "):
        starts.append(starts[-1] + len(rule) + 2)
    for line, cells in zip([text[0], *text[2:]], lines, strict=True):
        assert [line[a : b - 2].strip() for a, b in pairwise(starts)] == cells
    assert all(line[-1] != " " for line in text)


def test_table_refuses_a_short_row():
    with pytest.raises(ValueError, match="1 cells under 2 headings"):
        tables.table(("a", "b"), [["1"]])


@pytest.mark.parametrize(
    ("value", "text"), [(0.01234, "0.0123"), (1.5, "1.50"), (12.34, "12.3"), (99.96, "100."), (1234.4, "1234")]
)
def test_numbers_keep_three_digits(value, text):
    assert tables.number(value) == text


def test_spread_of_known_values():
    values = timing.Spread.of([5.0, 1.0, 2.0, 4.0, 3.0])
    assert values == timing.Spread(minimum=1.0, lower=2.0, median=3.0, upper=4.0)
    assert values.scaled(2.0) == timing.Spread(2.0, 4.0, 6.0, 8.0)
    assert timing.Spread.of([7.0]) == timing.Spread(7.0, 7.0, 7.0, 7.0)


def test_functions_take_turns():
    seen = []
    functions = {name: lambda name=name: seen.append(name) for name in "ab"}
    times = timing.interleaved(functions, rounds=3, least=0.0)
    assert seen == ["a", "a", "b", "b", *"ab" * 3]
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3}


@given(st.lists(st.fractions(-9, 9), min_size=1, max_size=4), st.integers(0, 9))
def test_extrapolation_of_polynomials(coefficients, step):
    degree = len(coefficients)

    def value(j):
        return sum(c * Fraction(j) ** (k + 1) for k, c in enumerate(coefficients))

    weights = step_weights.extrapolation(degree, step)
    total = sum(weight * float(value(i)) for i, weight in enumerate(weights, start=1))
    assert total == pytest.approx(float(value(step)), rel=1e-9, abs=1e-6)


def test_logarithm_of_decay():
    """The field of ``y' = -y`` by gradient descent is −log(1 − η)/η = Σ η^k / (k + 1), from g(y_j) = (1 − η)^j."""
    for k in range(6):
        signed = [
            (-1) ** k * (np.prod([step - m for m in range(k)]) / np.prod(range(1, k + 1))) for step in range(k + 1)
        ]
        total = sum(weight * value for weight, value in zip(step_weights.logarithm(k), signed, strict=True))
        assert total == pytest.approx(1 / (k + 1), rel=1e-12)


@pytest.mark.parametrize("way", ["peer_jax_jvp", "peer_jax_jet", "peer_jax_iterates", "peer_eomsym_jax", "peer_torch"])
def test_peers_agree_with_the_kernel(way):
    pytest.importorskip("torch" if way == "peer_torch" else "jax")
    code = (
        "from importlib import import_module\nfrom benchmarks import cases\nfrom benchmarks.kernels import difference\n"
        "import eomsym, pathlib\n"
        "case = cases.case('tiny')\n"
        "path = pathlib.Path('generated/mlp_2_16_16_1_tanh_mse_gradient_descent_order_5_double.py')\n"
        "truth = eomsym.load(path).counterterms(case.theta, case.inputs, case.targets, order=2)\n"
        f"_, call, rows = import_module('benchmarks.{way}').prepare(case, 3)\n"
        "print(difference(rows(), truth))\n"
    )
    # A process of its own: the switches of JAX are read when it starts.
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=processes.ROOT,
        env=processes.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 1e-12


ANSWERS = {
    2: {"eomsym.jax": [1.0, 1.0], "JAX nested jvp": [0.9, 0.9], "jax.experimental.jet": [5.0, 6.0]},
    3: {"eomsym.jax": [2.0, 2.0], "JAX nested jvp": [4.0, 4.0]},
    4: {"eomsym.jax": [2.0, 2.0]},
}


def test_libraries_say_why_a_way_is_left_out(monkeypatch):
    asked = []

    def measured(module, arguments, limit):
        _, _, terms, _, ways = arguments
        asked.append((terms, ways))
        compile_seconds = dict.fromkeys(ANSWERS[terms], 13.0 if terms == 3 else 1.0)
        times = {"times": ANSWERS[terms], "compile": compile_seconds, "checked": [3.0], "unchecked": [2.0]}
        return processes.Outcome(times) if arguments[1] == "tiny" else processes.Outcome(None, "failed: why")

    monkeypatch.setattr(processes, "measured", measured)
    monkeypatch.setattr(libraries, "LIBRARIES", {"jax": libraries.LIBRARIES["jax"][:3]})
    monkeypatch.setattr(libraries, "find_spec", lambda package: package)
    text = libraries.report(["tiny"], [2, 3, 4], 1.0)
    names = "eomsym.jax,JAX nested jvp,jax.experimental.jet"
    assert asked == [(2, names), (3, "eomsym.jax,JAX nested jvp"), (4, "eomsym.jax")]
    cells = {line[:28].strip(): [cell.strip() for cell in line[28:].split("  ") if cell] for line in text.splitlines()}
    assert cells["tiny        JAX nested jvp"][-1] == "compiled 13 s"
    assert cells["tiny  jax.experimental.jet"][-2:] == ["> 6", "> 6"]
    assert "1.11" in text  # ours over the best at K = 2: 1/0.9
    assert "1.50" in text  # the check's share
    assert libraries.report(["digits"], [2, 3], 1.0).count("failed: why") == 2 * (2 + 3)


def test_the_first_order_is_the_plain_recursion():
    """g and ½ g'g in JAX: the arithmetic of nested jvp in no more operations; jet takes more of both."""
    pytest.importorskip("jax")
    code = (
        "import re, jax, benchmarks.jax_tools as tools\nfrom importlib import import_module\n"
        "from benchmarks import cases\n"
        "def texts(case, function):\n"
        "    given = tools.unpacked(case, case.theta), case.inputs, tools.encoded_targets(case)\n"
        "    made = jax.jit(function).lower(*given).compile()\n"
        "    return made.cost_analysis()['flops'], len(re.findall(' = ', made.as_text().split('ENTRY')[1]))\n"
        "case = cases.case('tiny')\n"
        "for way in ('peer_eomsym_jax', 'peer_jax_jvp', 'peer_jax_jet'):\n"
        "    module = import_module('benchmarks.' + way)\n"
        "    module.compiled = texts\n"
        "    print(*module.prepare(case, 2))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=processes.ROOT,
        env=processes.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    ours, nested, jet = (tuple(map(float, line.split())) for line in done.stdout.splitlines())
    assert ours[0] <= 1.001 * nested[0] < jet[0] / 1.2
    assert ours[1] <= nested[1] < jet[1]


def test_measurements_do_not_inherit_slow_switches(monkeypatch):
    for name in processes.REMOVED:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    environment = processes.environment()
    assert not set(processes.REMOVED) & set(environment)
    assert environment["OPENBLAS_NUM_THREADS"] == "1"


def test_failure_is_told_and_not_timed():
    outcome = processes.measured("benchmarks.kernels", ("no-such-net", 2, 0.1), limit=60)
    assert outcome.answer is None
    assert "no-such-net" in outcome.reason


def test_measurement_beyond_its_limit_is_stopped():
    outcome = processes.measured("http.server", (0,), limit=0.5)
    assert outcome == processes.Outcome(None, "none in 0 s")


def test_startup_calls_a_kernel():
    path = processes.ROOT / "generated" / "mlp_2_16_16_1_tanh_mse_gradient_descent_order_5_double.py"
    assert set(startup.measure(path)) == {"load", "first", "second", "cpu"}


def test_walk_counts_files_pairs_and_changes_of_room():
    steps = walk.Walk()
    steps.follow(lambda: eomsym.errors.InputError)  # no function of the package runs
    assert steps.figures() == {"files": 0, "pairs": 0, "changes": 0}
    steps.visits = ["a/one.py", "a/two.py", "b/one.py", "a/one.py", "checks.py"]
    steps.calls = {("a/one.py", "a/two.py"), ("a/two.py", "a/one.py"), ("a/two.py", "b/one.py"), ("b/one.py",) * 2}
    assert steps.figures() == {"files": 4, "pairs": 1, "changes": 3}


def test_walk_of_a_derivation():
    figures = walk.measure("derive")
    assert figures["files"] > figures["pairs"] > 0
    assert figures["changes"] > 0


def test_unknown_section_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--only", "kernel"])
    assert stop.value.code == 2
    assert "'kernel' is no section" in capsys.readouterr().err


def test_results_are_of_a_whole_run(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--quick", "--write"])
    assert stop.value.code == 2
    assert "whole run" in capsys.readouterr().err
    assert set(SECTIONS) == {
        "kernels",
        "variants",
        "peers",
        "libraries",
        "trees",
        "start-up",
        "symbols",
        "rounds",
        "sweeps",
        "tracker",
        "runs",
        "noise",
    }
