"""The convergence study as a whole: it passes what is right and fails what is slightly wrong."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import shared_kernels
from asking import verify
from threadpoolctl import threadpool_info

from eomsym.codegen import KernelSpec
from eomsym.dynamics.runs import run_optimizer
from eomsym.errors import InputError, IntegrationError
from eomsym.models import MLP, Dataset, ExpressionLoss, dataset, default_model
from eomsym.verification import Training

START = np.array([-1.0, -0.3])


class Altered:
    """A kernel that answers like another but for what a subclass changes; the field follows its counter terms."""

    def __init__(self, kernel):
        self.original, self.order, self.size = kernel, kernel.order, kernel.size
        if hasattr(kernel, "model"):
            self.model = kernel.model

    def gradient(self, theta, *data):
        return self.original.gradient(theta, *data)

    def hessian_vector(self, theta, vector, *data):
        return self.original.hessian_vector(theta, vector, *data)

    def counterterms(self, theta, *data, order):
        return self.original.counterterms(theta, *data, order=order)

    def field(self, theta, eta, *data, order):
        powers = eta ** np.arange(order + 1)
        return -powers @ self.counterterms(theta, *data, order=order)


class OneCoefficientOff(Altered):
    """The coefficient of g'g'g in ξ_1 is one per cent larger than 1/3."""

    def counterterms(self, theta, *data, order):
        terms = super().counterterms(theta, *data, order=order)
        if order >= 2:
            inner = self.hessian_vector(theta, terms[0], *data)
            terms[2] += 0.01 / 3 * self.hessian_vector(theta, inner, *data)
        return terms


class OneOrderShort(Altered):
    """The field leaves out the last term that it should hold."""

    def field(self, theta, eta, *data, order):
        return super().field(theta, eta, *data, order=max(order - 1, 0))


class OverPredicted(Altered):
    """The counter term that predicts the error of order 1, but is not in its field, is far too large."""

    def counterterms(self, theta, *data, order):
        terms = super().counterterms(theta, *data, order=order)
        terms[2:] *= 1e9
        return terms


class WrongHessian(Altered):
    """The field is right; only the prediction goes wrong."""

    def hessian_vector(self, theta, vector, *data):
        return 1.1 * super().hessian_vector(theta, vector, *data)


@pytest.fixture(scope="module")
def network():
    """The committed kernel of order 5 of the default model of ``teacher``."""
    return shared_kernels.kernel("teacher")


def verify_riccati(kernel, orders=range(4), **arguments):
    return verify(kernel=kernel, data=None, theta=START, orders=orders, **arguments)


def by_order(study):
    return {record.order: record for record in study.orders}


@pytest.mark.parametrize("orders", [(1, 3), pytest.param(range(5), marks=pytest.mark.slow)], ids=["two", "all"])
def test_a_network_follows_its_equation_of_motion(network, orders):
    study = verify(data="teacher", kernel=network, orders=orders)
    assert study.passed
    assert study.warnings == ()
    np.testing.assert_allclose(study.slopes, [order + 1 for order in orders], atol=0.05)
    for record in study.orders:
        assert record.extrapolated_ratio == pytest.approx(1, abs=2e-3)
        assert record.points_above_floor >= 5
    assert (study.model, study.dataset) == ("2-16-16-1 tanh mse", "teacher")


def test_one_coefficient_one_per_cent_off_is_found(network):
    """ξ_1 is in the field from order 2 on: there the slope falls back to 2 and the ratio leaves 1."""
    etas = [0.01 / 2**k for k in range(4)]
    study = verify(data="teacher", kernel=OneCoefficientOff(network), orders=[0, 2], etas=etas)
    records = by_order(study)
    assert not study.passed
    assert records[0].passed
    assert records[2].slope < 2.5
    assert abs(records[2].extrapolated_ratio - 1) > 0.1
    assert "slope" in records[2].reason
    assert "ratio" in records[2].reason


def test_a_field_one_order_short_is_found(closed_form):
    study = verify_riccati(OneOrderShort(closed_form.Riccati()), orders=range(1, 4))
    for record in study.orders:
        assert not record.passed
        assert record.slope == pytest.approx(record.order, abs=0.1)


def test_another_thread_may_add_a_path_meanwhile(closed_form, monkeypatch):
    """What other threads do at the worst moment, done by the comparison of two starts itself."""
    from eomsym.verification import measurement

    alive, same = [], measurement._is_same

    class Watched(measurement.Measurement):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            alive.append(self)

    def adding(left, right):
        paths = alive[-1]._paths
        paths[-1.0 - len(paths)] = next(iter(paths.values()))
        return same(left, right)

    monkeypatch.setattr(measurement, "_is_same", adding)
    monkeypatch.setattr("eomsym.verification.verifying.Measurement", Watched)
    assert verify_riccati(closed_form.Riccati()).passed


def test_the_ratio_sees_what_the_slope_does_not(closed_form):
    study = verify_riccati(WrongHessian(closed_form.Riccati()))
    assert not study.passed
    for record in study.orders:
        assert abs(record.slope - record.expected_slope) < 0.1
        assert "extrapolated error ratio" in record.reason


@pytest.mark.parametrize("name", ["Riccati", "Quadratic"])
def test_closed_forms_pass(closed_form, name):
    kernel = closed_form.Riccati() if name == "Riccati" else closed_form.Quadratic([0.5, 2.0])
    study = verify_riccati(kernel)
    assert study.passed, [record.reason for record in study.orders]


def test_errors_and_predictions_are_those_of_the_closed_form(closed_form):
    kernel = closed_form.Quadratic([0.5, 2.0])
    study = verify_riccati(kernel, orders=[1])
    (record,) = study.orders
    assert study.spectral_radius == pytest.approx(2)
    assert record.etas[:3] == (0.4, 0.2, 0.1)
    assert study.time == pytest.approx(3.2)
    for eta, error, predicted in zip(record.etas, record.errors, record.predicted_errors, strict=True):
        moved = kernel.moved(START, eta, study.time, 1)
        descended = kernel.descended(START, eta, round(study.time / eta))
        assert error == pytest.approx(np.linalg.norm(moved - descended), rel=1e-3)
        coefficient = kernel.error_coefficient(START, study.time, 1)
        assert predicted == pytest.approx(eta**2 * np.linalg.norm(coefficient), rel=1e-4)


def test_round_off_is_recognised_and_stops_the_halving(closed_form):
    kernel = closed_form.Riccati()
    study = verify_riccati(kernel, orders=[5], etas=[0.01 / 2**k for k in range(6)])
    (record,) = study.orders
    assert record.at_floor[-1]
    assert not any(record.at_floor[:-1])
    assert len(record.etas) < 6
    assert not record.passed
    assert "step sizes above the round-off floor" in record.reason


def test_an_integration_is_repeated_where_the_prediction_let_it_be_too_coarse(closed_form):
    """The true error is found far above its floor, although one a billion times larger was predicted."""
    study = verify_riccati(OverPredicted(closed_form.Riccati()), orders=[1])
    (record,) = study.orders
    assert not any(record.at_floor)
    assert record.slope == pytest.approx(2, abs=0.05)
    assert record.extrapolated_ratio == pytest.approx(1e-9, rel=0.01)
    assert not record.passed


def test_the_round_off_of_the_optimizer_is_in_the_floor(closed_form, monkeypatch):
    def rounded(*arguments, **keywords):
        return replace(run_optimizer(*arguments, **keywords), error_estimate=1e-3)

    monkeypatch.setattr("eomsym.verification.measurement.run_optimizer", rounded)
    (record,) = verify_riccati(closed_form.Riccati(), orders=[2]).orders
    assert record.floors[0] > 1e-3
    assert record.at_floor == (True,)


def test_noise_in_the_values_of_the_field_is_in_the_floor(closed_form):
    """Noise of 1e−9 in each of two components is seen as such, times T, whatever the integrator thinks of itself."""

    class Noisy(closed_form.Quadratic):
        random = np.random.default_rng(2)

        def field(self, theta, eta, order=None):
            return super().field(theta, eta, order) + 1e-9 * self.random.standard_normal(2)

    study = verify(kernel=Noisy([0.5, 2.0]), data=None, theta=START, orders=[0, 6], etas=[0.1, 0.05])
    for record in study.orders:
        for part, floor in zip(record.floor_parts, record.floors, strict=True):
            assert 0.1 < part.evaluation / (study.time * 1e-9 * np.sqrt(2)) < 3
            assert floor == part.optimizer + part.integration + part.evaluation
            assert part.optimizer < 1e-14
    assert not any(study.orders[0].at_floor)
    assert study.orders[1].at_floor[-1]


def test_the_floor_is_not_far_above_the_true_round_off(closed_form):
    """The distance of the measured error from the closed form is what the floor bounds."""
    kernel = closed_form.Quadratic([0.5, 2.0])
    study = verify_riccati(kernel, orders=[3])
    (record,) = study.orders
    for eta, error, floor in zip(record.etas, record.errors, record.floors, strict=True):
        moved = kernel.moved(START, eta, study.time, 3)
        exact = np.linalg.norm(moved - kernel.descended(START, eta, round(study.time / eta)))
        assert abs(error - exact) < floor < error


def test_the_step_is_halved_until_the_slope_has_settled(closed_form):
    """Next to a pole the path bends so much that five halvings are not enough."""
    study = verify(kernel=closed_form.Riccati(), data=None, theta=np.array([0.2, -0.8]), orders=[1])
    (record,) = study.orders
    assert len(record.etas) == 7
    assert abs(record.local_slopes[-2] - 2) > 0.1
    assert record.passed


def test_the_numbers_do_not_depend_on_the_threads(closed_form):
    kernel = closed_form.Riccati()
    assert verify_riccati(kernel).to_json() == verify_riccati(kernel).to_json()


def test_a_network_is_the_same_from_one_run_to_the_next(network):
    given = {"data": "teacher", "kernel": network, "orders": [0, 2], "etas": [0.2, 0.1]}
    studies = [verify(**given) for _ in range(2)]
    assert studies[0].to_json() == studies[1].to_json()


def test_blas_runs_one_thread_meanwhile(network):
    threads = set()

    class Watched(Altered):
        def gradient(self, theta, *data):
            threads.update(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
            return super().gradient(theta, *data)

    verify(data="teacher", kernel=Watched(network), orders=[0], etas=[0.2, 0.1])
    assert threads == {1}


def test_another_seed_is_another_path(network):
    """Data and starting point both come from the seed."""
    given = {"data": "teacher", "kernel": network, "orders": [0], "etas": [0.2, 0.1]}
    errors = {verify(**given, seed=seed).orders[0].errors for seed in (0, 1)}
    assert len(errors) == 2


def test_a_kernel_one_order_higher_is_generated_where_none_is_given(network, monkeypatch):
    asked = []
    monkeypatch.setattr("eomsym.codegen.kernel_for", lambda *arguments: asked.append(arguments) or network)
    samples = dataset("teacher")
    own = Dataset("some of teacher", samples.inputs[::8].copy(), samples.targets[::8].copy())
    monkeypatch.setattr("eomsym.codegen.store.COMMITTED", ())
    study = verify(model=network.model, data=own, orders=[0, 1])
    ((spec,),) = asked
    assert (spec.model, spec.order, spec.optimizer) == (network.model, 2, "gradient-descent")
    assert (study.model, study.dataset) == ("2-16-16-1 tanh mse", "some of teacher")
    verify(data="teacher", orders=[0])
    assert asked[1][0].model == default_model("teacher")


def test_orders_come_back_as_they_were_asked_for(closed_form):
    study = verify_riccati(closed_form.Riccati(), orders=[2, 0])
    assert [record.order for record in study.orders] == [2, 0]
    assert [entry["order"] for entry in json.loads(study.to_json())["orders"]] == [2, 0]


def test_progress_is_told_point_by_point(closed_form):
    told = []
    study = verify_riccati(closed_form.Riccati(), progress=lambda done, total: told.append((done, total)))
    points = sum(len(record.etas) for record in study.orders)
    assert told[-1] == (points, points)
    assert [done for done, _ in told] == list(range(1, points + 1))


def test_a_step_beyond_the_radius_of_convergence_is_warned_of(closed_form):
    """λ = 2 at the start; η = 0.5 has ηλ = 1."""
    etas = [0.5, 0.25, 0.125]
    study = verify_riccati(closed_form.Riccati(), orders=[0], etas=etas)
    assert study.orders[0].etas == tuple(etas)
    (warning,) = study.warnings
    assert warning.startswith("eta = 0.5 times the largest eigenvalue 2 is 1:")
    assert verify_riccati(closed_form.Riccati(), orders=[0], etas=[0.4, 0.2, 0.1]).warnings == ()


def test_a_path_that_blows_up_is_an_error(closed_form):
    with pytest.raises(IntegrationError, match="stopped at time"):
        verify(kernel=closed_form.Riccati(), data=None, theta=np.array([1.0, 1.0]), orders=[0], etas=[1.0, 0.5])


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"optimizer": "gradient-ascent"}, "optimizer 'gradient-ascent': unknown"),
        ({"orders": []}, r"orders \[\]: give at least one"),
        ({"orders": [1, 1]}, "none twice"),
        ({"orders": [-1]}, "order -1: out of range; give an integer of at least 0"),
        ({"orders": ["2"]}, "order '2': not an integer"),
        ({"orders": 3}, "orders 3: give several integers"),
        ({"orders": [6]}, "order 7, needed for verifying order 6: the kernel has order 6"),
        ({"etas": [0.1]}, "at least two step sizes"),
        ({"etas": [0.1, 0.2]}, "not falling"),
        ({"etas": [0.1, -0.05]}, "eta -0.05: give a finite number above 0"),
        ({"etas": [0.1, 0.07]}, "eta 0.07: 8 x 0.1 is not a whole number of such steps"),
        ({"theta": np.zeros(3)}, r"theta: shape \(3,\)"),
        ({"theta": None}, "theta: this loss has no network to draw it from"),
        ({"theta": np.zeros(2)}, "the Hessian vanishes at theta"),
        ({"data": "digit"}, "dataset 'digit': unknown"),
    ],
)
def test_bad_input_is_named(closed_form, arguments, fault):
    with pytest.raises(InputError, match=fault):
        verify(kernel=closed_form.Riccati(), **{"data": None, "theta": START, "orders": [0], **arguments})


@pytest.mark.parametrize("changes", [{"optimizer": "nesterov"}, {"optimizer": "heavy-ball", "beta": "1/3"}])
def test_a_rule_that_is_not_the_kernels_is_refused_at_once(changes):
    kernel = SimpleNamespace(order=2, spec=KernelSpec(MLP([2, 3, 1], loss="mse"), 2, "heavy-ball"), gradient=None)
    asked = "beta = " + ("9/10" if changes["optimizer"] == "nesterov" else "1/3")
    with pytest.raises(
        InputError, match=rf"generated for heavy-ball \(beta = 9/10\), and .*{asked}\) is to be verified"
    ):
        verify(kernel=kernel, data="teacher", orders=[0], **changes)


def test_a_data_set_of_ones_own_has_a_network_that_suits_it():
    own = Dataset("mine", np.zeros((2, 1)), np.zeros((2, 1)))
    assert Training(None, own).model == default_model(own)
    with pytest.raises(InputError, match="model: none given"):
        Training(None, (np.zeros((2, 1)), np.zeros((2, 1))))


def test_a_loss_of_its_own_is_verified_without_data(closed_form):
    """Data sets are for networks: ``digits`` was given to it, and numba's traceback came back."""
    kernel = closed_form.Riccati()
    kernel.model = ExpressionLoss("-(x**3 + y**3)/3", ["x", "y"])
    study = verify(kernel=kernel, theta=START, orders=[0, 1])
    assert (study.passed, study.dataset) == (True, "")
    assert " on ExpressionLoss\n" in str(study)
