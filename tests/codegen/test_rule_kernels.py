"""Generated kernels of other optimisers than gradient descent: against the reference, and what they refuse."""

import json
from fractions import Fraction

import numpy as np
import pytest
import shared_kernels
from forms import EVERY
from own_rules import POWERS
from second_routes.modified_fields import modified_field_terms

from eomsym import optimizers
from eomsym.codegen import KernelSpec, generate, load
from eomsym.codegen.render import render
from eomsym.codegen.rule_program import rule_program
from eomsym.codegen.store import write_kernel
from eomsym.derivation import derive
from eomsym.dynamics.runs import field_gradient
from eomsym.errors import InputError
from eomsym.models import MLP, dataset

MODEL = MLP([2, 3, 1], "tanh", "mse", weight_decay=0.01)
TEACHER = dataset("teacher")
DATA = TEACHER.inputs[:8].copy(), TEACHER.targets[:8].copy()
THETA = MODEL.initial(3)
ORDER = 3


def spec(name, **given):
    entry = optimizers.get(name)
    return KernelSpec(MODEL, ORDER, entry.name, settings=tuple(entry.complete(given, trial=True).items()))


@pytest.fixture(scope="module")
def kernels():
    """Three compiled kernels stand for all."""
    return {name: shared_kernels.kernel(name) for name in shared_kernels.RULES}


@pytest.mark.parametrize("name", shared_kernels.RULES)
def test_terms_are_those_of_the_reference(kernels, name):
    """The generated statements at their nodes against plain numbers at others, (order + 1, d)."""
    kernel = kernels[name]
    fields = kernel.spec.fields

    def series_of(field, series):
        rows = slice(0, 4) if field == 0 else slice(4, 8)
        data = tuple(array[rows] for array in DATA) if fields[field].kind == "batch" else DATA
        gradient = kernel.gradient_series(series, *data)
        if fields[field].kind == "player":  # the first descends in its half of θ, the second ascends in the other
            signs = np.where(np.arange(MODEL.size) < MODEL.size // 2, (1, 0)[field], (0, -1)[field])
            gradient = signs * gradient
        return gradient

    rows = modified_field_terms(kernel.spec.rule, series_of, THETA, ORDER + 1)
    expected = -np.array(rows) / kernel.spec.steps
    found = kernel.counterterms(THETA, *DATA)
    assert found.shape == (ORDER + 1, MODEL.size)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13 * np.abs(expected).max())
    np.testing.assert_array_equal(kernel.counterterms(THETA, *DATA, order=1), found[:2])


def test_the_gradient_is_plain_and_the_field_is_not(kernels):
    adam = kernels["adam(inside=yes, corrected=no)"]
    gradient = adam.gradient(THETA, *DATA)
    # Theory page, section 3: Adam descends g/√(g² + ε) to leading order.
    np.testing.assert_allclose(
        adam.counterterms(THETA, *DATA, order=0)[0], gradient / np.sqrt(gradient**2 + 0.1), rtol=1e-14
    )
    rows = adam.counterterms(THETA, *DATA)
    np.testing.assert_allclose(
        adam.field(THETA, 0.25, *DATA), -(rows[0] + rows[1] / 4 + rows[2] / 16 + rows[3] / 64), rtol=1e-13
    )


def test_reshuffling_descends_the_modified_loss(kernels):
    """Two batches: ``ξ_0 = ∇ (1/8) Σ‖∇L_i‖²``, here by the Hessian-vector products of the batches' losses."""
    kernel = kernels["random-reshuffling"]
    expected = np.zeros(MODEL.size)
    for batch in (slice(0, 4), slice(4, 8)):
        data = tuple(array[batch] for array in DATA)
        expected += kernel.hessian_vector(THETA, kernel.gradient(THETA, *data), *data) / 4
    np.testing.assert_allclose(kernel.counterterms(THETA, *DATA, order=1)[1], expected, rtol=1e-12, atol=1e-14)


def test_samples_that_do_not_make_batches_are_refused(kernels):
    kernel = kernels["random-reshuffling"]
    with pytest.raises(InputError, match="7 samples do not make 2 equal batches"):
        kernel.counterterms(THETA, DATA[0][:7].copy(), DATA[1][:7].copy())
    with pytest.raises(InputError, match="7 samples do not make 2 equal batches"):
        field_gradient(kernel, (DATA[0][:7], DATA[1][:7]), kernel.spec.fields)(THETA, 0)


@pytest.mark.parametrize("entry", [*EVERY.values(), *POWERS], ids=lambda entry: entry.name)
def test_every_optimizer_renders_the_same_bytes_twice(entry):
    source = render(spec(entry))
    assert source == render(spec(entry))
    compile(source, entry.name, "exec")
    assert all(len(line) < 10_000 for line in source.splitlines())


def test_parameters_are_in_name_and_header(tmp_path):
    path = generate(MODEL, 1, optimizer="momentum", output=tmp_path, beta="0.9")
    assert path.name == "mlp_2_3_1_tanh_mse_decay_0_01_heavy_ball_beta_9_10_order_1_double.py"
    assert "heavy-ball (beta = 9/10)" in path.read_text().splitlines()[3]
    text = path.read_text().splitlines()[1].removeprefix("# Specification: ")
    assert json.loads(text)["settings"] == {"beta": "9/10"}
    assert KernelSpec.from_json(text) == KernelSpec(MODEL, 1, "heavy-ball", settings=(("beta", Fraction(9, 10)),))
    with pytest.raises(InputError, match="0 <= beta < 1"):
        KernelSpec.from_json(text.replace("9/10", "1"))


def test_default_values_complete_a_specification():
    assert KernelSpec(MODEL, 1, "heavy-ball").settings == (("beta", Fraction(9, 10)),)


def test_statements_of_heavy_ball():
    """``v_k = (E − β)⁻¹ g_k`` and ``Δθ_{k+1} = −β v_k − g_k``."""
    program = rule_program(optimizers.get("heavy-ball").rule(beta=Fraction(1, 2)), 2, "_gradient({field}, {point}, k)")
    assert program.level == (
        "gradient_2[k] = _apply(EXTENSION, k, _gradient(0, state_0, k))",
        "state_1[k] = _apply(RESOLVENT_1, k, gradient_2[k])",
        "moved = -(1 / 2) * state_1[k] - gradient_2[k]",
        "state_0[k + 1] = _apply(SUM, k, moved)",
    )
    # A constant settles at r/(1 − β); a slope of 1 at s/(1 − β) − 1/(1 − β)², from its values 0 and h at nodes 0 and h.
    table, h = program.tables["RESOLVENT_1"], program.nodes[1]
    assert [row[0] for row in table[0]] == [2, 2]
    assert [h * row[1] for row in table[1]] == [-4, 2 * h - 4]


def test_loaded_again_a_kernel_knows_its_rule(tmp_path):
    (leading,), (first,) = (row.values() for row in derive("heavy-ball", order=1, beta="1/2").rows)
    kernel = load(write_kernel(shared_kernels.SPECS["heavy-ball"], tmp_path))
    random = np.random.default_rng(0)
    inputs, targets, theta = random.standard_normal((4, 3)), random.standard_normal((4, 2)), kernel.model.initial(0)
    gradient = kernel.gradient(theta, inputs, targets)
    rows = kernel.counterterms(theta, inputs, targets)
    np.testing.assert_allclose(rows[0], float(leading) * gradient, rtol=1e-14)
    slope = float(first) * kernel.hessian_vector(theta, gradient, inputs, targets)
    np.testing.assert_allclose(rows[1], slope, rtol=1e-14, atol=1e-15)
