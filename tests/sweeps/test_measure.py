"""Measuring a job: it is ``verify`` at one step size, bit for bit, and what goes wrong is told."""

import dataclasses

import asking
import pytest
from threadpoolctl import threadpool_limits

from eomsym import optimizers, sweeps
from eomsym.errors import InputError, KernelError
from eomsym.models import MLP
from eomsym.sweeps import measure
from eomsym.sweeps.measure import KernelOrder, kernel_order, kernel_orders


@pytest.fixture(autouse=True)
def _one_blas_thread():
    with threadpool_limits(1, user_api="blas"):
        yield


def measured(job):
    return measure.measure(job, kernel_order(job))


@pytest.mark.parametrize("optimizer", ["gradient-descent", "heavy-ball"])
def test_it_is_what_verify_measures(cheap, optimizer, kernels):
    etas = [0.2, 0.1, 0.05]
    values = optimizers.get(optimizer).complete({}, trial=True)
    words = {name: str(value) for name, value in values.items()}
    plan = sweeps.plan_from_dict(
        cheap(etas=etas, steps=8, seeds=[5], optimizer=[{"name": optimizer, "parameters": words}])
    )
    expected = asking.verify(
        optimizer, data="teacher-small", orders=(0, 1, 2), etas=etas, state="slow", seed=5, **values
    )
    for index, job in enumerate(plan.jobs()):
        result = measured(job)
        assert result.reason == ""
        assert [error.order for error in result.errors] == [0, 1, 2]
        for error, record in zip(result.errors, expected.orders, strict=True):
            assert error.error == record.errors[index] > 0
            assert error.predicted_error == record.predicted_errors[index] > 0
            assert error.floor == record.floors[index] > 0
            assert error.exponent == record.expected_slope


def test_the_same_job_gives_the_same_bytes_and_another_seed_others(plan):
    jobs = list(plan.jobs())
    first, again = (measured(jobs[0]) for _ in range(2))
    assert first.to_json() == again.to_json()
    other = measured(next(job for job in jobs if job.seed == 1))
    assert other.errors != first.errors


def test_a_path_that_leaves_the_numbers_is_a_result_with_the_reason(plan):
    job = dataclasses.replace(next(plan.jobs()), eta=1e160, time=8e160)
    result = measured(job)
    assert result.failed
    assert result.reason.startswith("optimizer path: step 2 with eta = 1e+160")
    assert result.to_json() == measured(job).to_json()


def test_a_path_along_which_the_integrator_creeps_is_ended(plan, monkeypatch):
    monkeypatch.setattr(measure, "MAX_EVALUATIONS", 50)
    result = measured(next(plan.jobs()))
    assert "asked for the field more than 50 times" in result.reason


def test_what_a_path_refuses_is_a_reason_on_one_line(plan, monkeypatch):
    def refuse(*arguments, **keywords):
        raise InputError("data: 64 samples do not make\n3 equal batches")

    monkeypatch.setattr(measure, "measure_errors", refuse)
    assert measured(next(plan.jobs())).reason == "data: 64 samples do not make 3 equal batches"


def test_a_fault_of_the_program_is_not_taken_for_a_result(plan, monkeypatch):
    def broken(*arguments, **keywords):
        raise TypeError("a fault")

    monkeypatch.setattr(measure, "measure_errors", broken)
    with pytest.raises(TypeError, match="a fault"):
        measured(next(plan.jobs()))


def test_each_kernel_is_ordered_once(cheap):
    words = cheap(orders=[0, 2], model=[{"data": "teacher-small", "activation": ["tanh", "sin"]}])
    orders = kernel_orders(sweeps.plan_from_dict(words).jobs())
    assert [order.spec.model.activation for order in orders] == ["tanh", "sin"]
    assert {order.spec.order for order in orders} == {3}
    assert orders[0].fingerprint != orders[1].fingerprint


def test_the_kernel_reaches_the_power_of_the_error(cheap):
    """Runge-Kutta 4 follows gradient flow to order 4: the error of order 0 is of the 4th power."""
    plan = sweeps.plan_from_dict(cheap(orders=[0], optimizer=[{"name": "runge-kutta-4"}]))
    assert kernel_order(next(plan.jobs())).spec.order == 4


def test_another_version_of_the_package_orders_another_kernel(plan, monkeypatch):
    job = next(plan.jobs())
    order = kernel_order(job)
    assert measure.measure(job, order) == measured(job)
    with pytest.raises(KernelError, match="install the same version there"):
        measure.measure(job, KernelOrder(order.spec, "0" * 64))
    monkeypatch.setattr(measure, "__version__", "0.0.0")
    measure._order.cache_clear()
    try:
        with pytest.raises(KernelError, match=r"eomsym 0\.0\.0 on"):
            measure.measure(job, order)
    finally:
        measure._order.cache_clear()


def test_a_kernel_that_cannot_be_generated_is_refused_before_anything(tmp_path, plan, monkeypatch):
    monkeypatch.setattr("eomsym.codegen.spec.MAX_KERNEL_ORDER", 1)
    with pytest.raises(InputError, match="order 3"):
        sweeps.run_sweep(plan, tmp_path / "results")
    assert list(tmp_path.iterdir()) == []


def test_models_are_told_apart(cheap):
    models = [{"data": "teacher-small", "hidden": [3]}, {"data": "teacher-small", "layers": [2, 4, 1]}]
    plan = sweeps.plan_from_dict(cheap(model=models))
    assert {job.model for job in plan.jobs()} == {MLP([2, 3, 1], "tanh", "mse"), MLP([2, 4, 1], "tanh", "mse")}
