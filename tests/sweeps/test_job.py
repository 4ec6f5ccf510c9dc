"""A job is named by what it is, and its result is the same bytes wherever it was measured."""

import dataclasses
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eomsym.errors import EomsymError
from eomsym.models import MLP
from eomsym.sweeps.job import Job, JobResult, MeasuredError

JOB = Job("heavy-ball", (("beta", "1/2"),), MLP([2, 3, 1], "tanh", "mse", 0.1), "moons", (0, 2), 0.1, 1.6, 3)
OTHER = {
    "optimizer": "nesterov",
    "parameters": (("beta", "1/3"),),
    "model": MLP([2, 3, 1], "tanh", "mse", 0.2),
    "dataset": "teacher",
    "orders": (0, 1),
    "eta": 0.2,
    "time": 3.2,
    "seed": 4,
}

finite = st.floats(allow_nan=False, allow_infinity=False)
errors = st.builds(MeasuredError, st.integers(0, 11), st.integers(1, 12), finite, finite, finite)
results = st.one_of(
    st.builds(JobResult, st.just(JOB), st.lists(errors, max_size=4).map(tuple)),
    st.builds(JobResult, st.just(JOB), reason=st.text(min_size=1)),
)


def test_the_digest_is_that_of_the_canonical_record():
    """Written out once more by other means: a change of it makes every sweep begin anew."""
    record = (
        '{"job":{"dataset":"moons","eta":0.1,"model":{"activation":"tanh","bias":true,"layers":[2,3,1],"loss":"mse",'
        '"normalization":"none","weight_decay":0.1},"optimizer":"heavy-ball","orders":[0,2],"parameters":{"beta":"1/2"},'
        '"seed":3,"time":1.6},"schema":2}'
    )
    assert JOB.digest == hashlib.sha256(record.encode()).hexdigest()


def test_every_entry_is_in_the_digest():
    assert set(OTHER) == {field.name for field in dataclasses.fields(Job)}
    digests = {dataclasses.replace(JOB, **{name: value}).digest for name, value in OTHER.items()}
    assert len(digests | {JOB.digest}) == len(OTHER) + 1


def test_a_job_comes_back_from_json():
    without = dataclasses.replace(JOB, model=MLP([2, 3, 1], "tanh", "mse", bias=False))
    assert '"bias": false' in json.dumps(without.to_dict())
    for job in (JOB, without):
        assert Job.from_dict(json.loads(json.dumps(job.to_dict()))) == job


@given(results)
def test_a_result_comes_back_from_its_bytes(result):
    text = result.to_json()
    again = JobResult.from_json(text)
    assert again == result
    assert again.to_json() == text
    assert text.count(b"\n") == 1


@given(results, st.data())
def test_what_is_cut_off_or_altered_is_no_result(result, data):
    text = result.to_json()
    cut = data.draw(st.integers(0, len(text) - 1))
    for wrong in (text[:cut], text[:cut] + b"\xff" + text[cut:], text + b" "):
        with pytest.raises(EomsymError, match="not the result of a job"):
            JobResult.from_json(wrong)


@pytest.mark.parametrize("wrong", [b"[]", b"3", b"{}", b'{"errors":3,"job":{},"reason":"","schema":2}', b"[" * 100_000])
def test_other_json_is_no_result(wrong):
    with pytest.raises(EomsymError, match="not the result of a job"):
        JobResult.from_json(wrong)


@pytest.mark.parametrize("name", ["error", "predicted_error", "floor"])
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_errors_that_are_no_numbers_are_a_failure(name, value):
    good = MeasuredError(2, 3, 1e-3, 1e-3, 1e-9)
    result = JobResult.of(JOB, (good, dataclasses.replace(good, **{name: value})))
    assert (result.failed, result.errors) == (True, ())
    assert "order 2" in result.reason
    assert not JobResult.of(JOB, (good,)).failed
