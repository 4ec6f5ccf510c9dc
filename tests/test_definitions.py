"""A name whose meaning changed: files written for the rule before are refused, of every kind, with the reason."""

import dataclasses
import json
from fractions import Fraction

import numpy as np
import pytest

import eomsym
from eomsym import optimizers
from eomsym.codegen import KernelSpec
from eomsym.errors import EomsymError, InputError, KernelError
from eomsym.models import MLP
from eomsym.studies import JobResult, ResultStore, read_results
from eomsym.studies.study_file import plan_from_dict

CHANGED = {"adam": "adam-inside", "adamw": "adamw-uncorrected", "rmsprop": "rmsprop-inside"}
MODEL = MLP([2, 3, 1], "tanh", "mse")
STUDY = {"orders": [0], "etas": [0.2, 0.1], "model": [{"data": "teacher", "layers": [2, 3, 1]}]}


def study(**optimizer):
    return {**STUDY, "optimizer": [optimizer]}


def reason(name, verb):
    return (
        f"optimizer '{name}': where no definition stands, it is the rule that is now called '{CHANGED[name]}'; "
        f"{verb} {CHANGED[name]}, or {name} anew"
    )


def without_definition(data):
    """What is there, as it was written before there were definitions."""
    if isinstance(data, dict):
        return {key: without_definition(value) for key, value in data.items() if key != "definition"}
    return [without_definition(part) for part in data] if isinstance(data, list) else data


def test_only_these_names_have_changed():
    assert {name: entry.formerly for name, entry in optimizers.REGISTRY.items() if entry.definition > 1} == CHANGED
    for name, formerly in CHANGED.items():
        assert optimizers.get(name).definition == 2
        assert optimizers.get(formerly).definition == 1


@pytest.mark.parametrize("name", CHANGED)
def test_specifications_of_kernels(name):
    data = KernelSpec(MODEL, 1, name).to_dict()
    assert data["definition"] == 2
    assert KernelSpec.from_dict(data).optimizer == name
    with pytest.raises(InputError, match=reason(name, "generate")):
        KernelSpec.from_dict(without_definition(data))
    for wrong in (3, True, 2.0, "2", None):
        with pytest.raises(InputError, match=f"'{name}': definition .* is not the one that is known here, 2; generate"):
            KernelSpec.from_dict({**data, "definition": wrong})


def test_names_that_never_changed_need_none():
    data = KernelSpec(MODEL, 1, "heavy-ball").to_dict()
    assert "definition" not in data
    assert KernelSpec.from_dict(data) == KernelSpec.from_dict({**data, "definition": 1})
    with pytest.raises(InputError, match="'heavy-ball': definition 2 is not the one that is known here, 1"):
        KernelSpec.from_dict({**data, "definition": 2})


def test_an_old_name_of_the_same_rule_is_answered_with_the_new_one():
    data = KernelSpec(MODEL, 1, "rmsprop").to_dict() | {"optimizer": "rmsprop-outside"}
    with pytest.raises(InputError, match="'rmsprop-outside': is called 'rmsprop' now; generate rmsprop anew"):
        KernelSpec.from_dict(without_definition(data))


def test_an_old_kernel_is_refused_and_can_be_generated_anew(tmp_path):
    path = eomsym.generate("x**4 + x**2", 1, variables=["x"], optimizer="adam", epsilon="1/10", output=tmp_path)
    manifest = path.with_suffix(".json")
    whole = manifest.read_bytes()
    assert "adam, definition 2 (beta1 = 9/10" in path.read_text()
    manifest.write_text(json.dumps(without_definition(json.loads(whole))))
    with pytest.raises(KernelError, match=reason("adam", "generate")):
        eomsym.load(path)
    eomsym.generate("x**4 + x**2", 1, variables=["x"], optimizer="adam", epsilon="1/10", output=tmp_path)
    assert manifest.read_bytes() == whole
    assert np.isfinite(eomsym.load(path).counterterms(np.array([0.5]))).all()


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.parametrize("state", ["slow", "whole"])
def test_counter_terms_in_json(name, state):
    text = eomsym.derive(name, 1, state=state).to_json()
    assert json.loads(text)["definition"] == 2
    old = without_definition(json.loads(text))
    with pytest.raises(InputError, match=reason(name, "derive")):
        eomsym.Counterterms.from_json(json.dumps(old))


def test_counter_terms_that_are_read_back_have_the_same_definition():
    entry = dataclasses.replace(optimizers.get("heavy-ball"), name="test-redefined", aliases=(), definition=7)
    text = eomsym.derive(entry, 2).to_json()
    assert eomsym.Counterterms.from_json(text).to_json() == text
    with pytest.raises(InputError, match="definition 6 is not the one that is known here, 7; derive test-redefined"):
        eomsym.Counterterms.from_json(text.replace('"definition": 7', '"definition": 6'))


def test_study_files_say_which_rule_they_mean():
    for name, formerly in CHANGED.items():
        with pytest.raises(
            InputError, match=rf"'{formerly}'; write that name, or definition = 2 below name = \"{name}\""
        ):
            plan_from_dict(study(name=name))
        assert plan_from_dict(study(name=name, definition=2)).optimizers[0].name == name
        assert plan_from_dict(study(name=formerly)).optimizers[0].name == formerly
    # A library's name never meant anything else.
    assert plan_from_dict(study(name="torch.Adam()")).optimizers[0].name == "adam"
    with pytest.raises(InputError, match="'nesterov': definition 2 is not the one that is known here, 1; leave it out"):
        plan_from_dict(study(name="nesterov", definition=2))


@pytest.fixture
def store(tmp_path):
    """The folder of a study of Adam, all measured."""
    plan = plan_from_dict(study(name="torch.Adam()"))
    store = ResultStore(tmp_path / "study")
    with store.locked():
        store.write_plan(plan)
        for job in plan.jobs():
            store.write(JobResult(job, reason="made up"))
    return store


def test_plans_and_results_of_studies(store):
    assert read_results(store.folder).jobs == 2
    job = next(iter(store.read_plan().jobs()))
    old = without_definition(json.loads(JobResult(job, reason="made up").to_json()))
    text = json.dumps(old, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    with pytest.raises(EomsymError, match=reason("adam", "measure")):
        JobResult.from_json(text)
    store.plan_path.write_text(json.dumps(without_definition(json.loads(store.plan_path.read_text()))))
    with pytest.raises(InputError, match=r"or is older .*'adam': where no definition stands"):
        read_results(store.folder)


def test_tables_of_studies(store, tmp_path):
    place = tmp_path / "table.parquet"
    read_results(store.folder).write_parquet(place)
    assert read_results(place).frame["definition"].to_list() == [2, 2]
    import polars

    frame = polars.read_parquet(place).drop("definition")
    frame.write_parquet(place)
    with pytest.raises(InputError, match=reason("adam", "measure")):
        read_results(place)
    frame.with_columns(optimizer=polars.lit("heavy-ball")).write_parquet(place)
    assert read_results(place).frame["definition"].to_list() == [1, 1]


def test_a_name_that_said_what_it_was_not_is_gone():
    message = "optimizer 'adam-pytorch': is no name any more; write adam for PyTorch's rule, or adam-outside"
    with pytest.raises(InputError, match=message):
        optimizers.get("adam-pytorch")
    mine = dataclasses.replace(optimizers.get("gradient-descent"), name="adam-pytorch", aliases=())
    with pytest.raises(InputError, match="the name is taken"):
        optimizers.register(mine)


def test_bare_names_are_what_the_libraries_have():
    for bare, text in (
        ("adam", "torch.Adam()"),
        ("adamw", "torch.AdamW()"),
        ("rmsprop", "torch.RMSprop()"),
        ("sgd", "torch.SGD()"),
        ("rmsprop-pytorch", "torch.RMSprop()"),
    ):
        entry, values = optimizers.read_optimizer(text)
        assert optimizers.get(bare) is entry
        assert entry.complete({}) == values
    assert optimizers.get("adam-outside").rule(**_ADAM) == optimizers.get("adam").rule(**_ADAM)


_ADAM = {"beta1": Fraction(1, 3), "beta2": Fraction(2, 5), "epsilon": Fraction(1, 10)}
