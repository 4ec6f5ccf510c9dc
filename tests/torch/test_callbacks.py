"""The tracker in loops of others, by the real libraries, as docs/tracker.md shows it."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from page_examples import examples  # noqa: E402

import eomsym.torch  # noqa: E402
from eomsym.errors import InputError, MissingExtraError  # noqa: E402
from eomsym.tracking import Measurement, scalars  # noqa: E402
from eomsym.tracking.differences import differences  # noqa: E402
from eomsym.tracking.lines import read_json_lines  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs/tracker.md"


def run_page(names, extra="torch"):
    for example in examples(PAGE, extra):
        exec(compile(example.source, f"{PAGE.name}, line {example.line}", "exec"), names)
    return names


def test_the_page_in_a_loop_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_page({})
    assert [one.step for one in read_json_lines("run.jsonl").measurements] == [10, 20]


def started():
    """What the page has before: a model and its optimiser."""
    names = {}
    first, *_ = examples(PAGE, "torch")
    exec(first.source, names)
    return names


class Rows(torch.utils.data.Dataset):
    """The same batch again and again, so that the run is a series."""

    def __init__(self, names, many):
        self.row, self.many = {"inputs": names["inputs"], "labels": names["labels"]}, many

    def __len__(self):
        return self.many

    def __getitem__(self, number):
        return self.row


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3)).double()

    def forward(self, inputs, labels):
        scores = self.layers(inputs[0])
        return {"loss": torch.nn.functional.cross_entropy(scores, labels[0]), "scores": scores}


def test_tensorboard(tmp_path, monkeypatch):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    monkeypatch.chdir(tmp_path)
    run_page(started(), "tensorboard")
    events = accumulator.EventAccumulator("logs").Reload()
    assert {"eomsym/shares/order_1", "eomsym/step_length", "eomsym/modulus"} <= set(events.Tags()["scalars"])
    assert [one.step for one in events.Scalars("eomsym/shares/order_1")] == [10, 20]


def test_numbers_are_written_by_name_and_what_is_hidden_is_not():
    written = []
    one = Measurement(7, (1.0, 0.25, 9.0), 2, (1.0, 0.5, float("nan")), 0.1, "series", edge=0.9)
    scalars(lambda *call: written.append(call))(7, one.to_dict())
    names = {name: value for name, value, step in written if step == 7}
    assert names["eomsym/shares/order_1"] == 0.25
    assert names["eomsym/edge"] == 0.9
    assert names["eomsym/cosines/second_differences"] == 0.5
    assert not {"eomsym/shares/order_2", "eomsym/modulus", "eomsym/verdict", "eomsym/step"} & set(names)


def arguments_of(folder, **more):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    options = {"learning_rate": 1e-3, "lr_scheduler_type": "constant", "per_device_train_batch_size": 1}
    quiet = {
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "save_strategy": "no",
        "logging_strategy": "no",
    }
    return transformers.TrainingArguments(folder, **{**options, **quiet, **more})


def test_transformers(tmp_path, capsys):
    names = started()
    arguments = arguments_of(str(tmp_path), max_steps=120)
    run_page({**names, "network": Network(), "arguments": arguments, "rows": Rows(names, 120)}, "transformers")
    assert "120        1" in capsys.readouterr().out


def test_transformers_resumed(tmp_path):
    names = started()
    arguments = arguments_of(str(tmp_path), max_steps=120, save_strategy="steps", save_steps=100)
    from transformers import Trainer

    def train(**more):
        watch = eomsym.torch.trainer_callback(partial(eomsym.torch.track, order=2, every=10))
        trainer = Trainer(Network(), arguments, train_dataset=Rows(names, 120), callbacks=[watch])
        trainer.train(**more)
        assert not watch.run.problems
        return watch.run.measurements

    whole, rest = train(), train(resume_from_checkpoint=str(tmp_path / "checkpoint-100"))
    assert [one.step for one in whole] == [*range(10, 121, 10)]
    assert [one.verdict for one in whole[:8]] == ["transient"] * 8
    assert [(one.step, one.verdict, one.shares) for one in rest] == [
        (one.step, one.verdict, one.shares) for one in whole[10:]
    ]
    assert rest[0].verdict == "series"


def lightning_module(names, optimizers=1):
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network, self.automatic_optimization = Network(), optimizers == 1

        def training_step(self, batch, number):
            return self.network(**batch)["loss"]

        def configure_optimizers(self):
            return [torch.optim.SGD(self.parameters(), 0.02, momentum=0.9) for _ in range(optimizers)]

    return Module(), torch.utils.data.DataLoader(Rows(names, 6), batch_size=1)


@pytest.mark.filterwarnings("ignore")
def test_lightning(capsys):
    names = started()
    module, loader = lightning_module(names)
    names = run_page({**names, "network": module, "loader": loader}, "lightning")
    run = names["watch"].run
    assert [one.step for one in run.measurements] == [*range(10, 121, 10)]
    assert run.latest.verdict == "series"
    assert str(run) in capsys.readouterr().out
    assert not run.problems


@pytest.mark.filterwarnings("ignore")
def test_lightning_with_two_optimizers_is_refused():
    module, loader = lightning_module(started(), 2)
    from lightning import Trainer

    watch = eomsym.torch.lightning_callback()
    with pytest.raises(InputError, match="2 are there"):
        Trainer(max_epochs=1, callbacks=[watch], logger=False, enable_checkpointing=False).fit(module, loader)


@pytest.mark.parametrize("make", [eomsym.torch.trainer_callback, eomsym.torch.lightning_callback])
def test_a_library_that_is_not_there(make, monkeypatch):
    for name in ("transformers", "lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match="is not installed; pip install"):
        make()


def test_where_it_is_not_enabled_nothing_is_looked_at():
    theta = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([theta], 0.1)
    with eomsym.torch.track(optimizer, every=5, enabled=False) as run:
        for _ in range(20):
            theta.grad = theta.detach().clone()
            optimizer.step()
    assert not run.measurements
    assert str(run) == "track: not enabled; another process has the run"
    assert not optimizer._optimizer_step_post_hooks


@pytest.mark.filterwarnings("ignore")  # of torch itself, as it compiles
@pytest.mark.parametrize("what", ["model", "step"])
def test_what_is_compiled_is_tracked_as_what_is_not(what):
    def tracked(compiled):
        names = started()
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3)).double()
        optimizer = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9)
        called = {"model": model, "step": optimizer.step}
        if compiled:
            called[what] = torch.compile(called[what], backend="eager")
        with eomsym.torch.track(optimizer, order=2, every=10) as run:
            for _ in range(20):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(called["model"](names["inputs"]), names["labels"]).backward()
                called["step"]()
        assert not run.problems
        return run.measurements

    whole, plain = tracked(True), tracked(False)
    assert [(one.step, one.verdict) for one in whole] == [(10, "transient"), (20, "transient")]
    for one, other in zip(whole, plain, strict=True):  # a compiled step rounds otherwise
        assert one.shares == pytest.approx(other.shares, rel=1e-6)


BEGIN = """
import sys
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
import eomsym.torch
from eomsym.errors import InputError

rank, store, lines = int(sys.argv[1]), sys.argv[2], sys.argv[3]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
torch.manual_seed(0)
inputs, labels = torch.randn(64, 8).double(), torch.randint(3, (64,))
layers = torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3)
model = torch.nn.Sequential(*layers).double()
callback = eomsym.tracking.json_lines(f"{lines}.{rank}")

def train(model, optimizer, **options):
    with eomsym.torch.track(optimizer, order=2, every=10, callback=callback, **options) as run:
        for _ in range(20):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(inputs[rank::2]), labels[rank::2]).backward()
            optimizer.step()
    print(len(run.measurements), len(run.problems))
    return run
"""
COPIES = """
model = torch.nn.parallel.DistributedDataParallel(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
train(model, optimizer, enabled=rank == 0)
copied = train(model, optimizer, processes=dist.group.WORLD)
print("all hold the same parameters" in copied.problems[0])
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_of_two_processes_the_first_looks(tmp_path):
    """Both hold the same parameters: what it tells is the run on the whole batch."""
    assert two_processes(COPIES, tmp_path) == [["2", "0", "0", "2", "True"], ["0", "0", "0", "2", "True"]]
    assert (tmp_path / "run.1").read_bytes() == b""
    compare(read_json_lines(tmp_path / "run.0").measurements, on_the_whole_batch(descent))


def descent(parameters):
    return torch.optim.SGD(parameters, lr=0.05)


def two_processes(source, folder):
    """What either of two processes prints, in words."""
    command = [sys.executable, "-c", BEGIN + source]
    processes = [
        subprocess.Popen([*command, str(rank), folder / "store", folder / "run"], stdout=subprocess.PIPE, text=True)
        for rank in (0, 1)
    ]
    return [process.communicate(timeout=300)[0].split() for process in processes]


def on_the_whole_batch(make):
    torch.manual_seed(0)
    inputs, labels = torch.randn(64, 8).double(), torch.randint(3, (64,))
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3)).double()
    optimizer = make(model.parameters())
    with eomsym.torch.track(optimizer, order=2, every=10) as run:
        for _ in range(20):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
    return run.measurements


def compare(measurements, others):
    for one, whole in zip(measurements, others, strict=True):
        assert one.step == whole.step
        assert one.verdict == whole.verdict
        assert one.shares == pytest.approx(whole.shares, rel=1e-6)
        assert one.step_length == pytest.approx(whole.step_length, rel=1e-9)
        assert one.modulus == pytest.approx(whole.modulus, rel=1e-6, nan_ok=True)


SHARDS = """
fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
try:
    eomsym.torch.track(optimizer)
except InputError as error:
    print("shards" in str(error))
run = train(model, optimizer, processes=dist.group.WORLD, enabled=rank == 0)
model.requires_grad_(False)
with eomsym.torch.track(torch.optim.SGD(model.parameters(), 0.1), every=5, processes=dist.group.WORLD) as run:
    for step in range(20):
        run._optimizer.step()
        if step == 5:
            run._optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(3).double())]})
print(len(run.measurements), "some whole" in run.problems[0])
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_parameters_in_shards_are_put_together(tmp_path):
    """FSDP over two processes, of which either tells what one process tells of the whole."""
    assert two_processes(SHARDS, tmp_path) == [["True", "2", "0", "1", "True"]] * 2
    whole = on_the_whole_batch(lambda parameters: torch.optim.AdamW(parameters, lr=0.01))
    for rank in (0, 1):
        compare(read_json_lines(tmp_path / f"run.{rank}").measurements, whole)


def test_products_of_parts_add_up_to_those_of_the_whole():
    iterates = torch.randn(8, 30, dtype=torch.float64).cumsum(0)
    rates = [[0.1 / (1 + step)] for step in range(8)]
    parts = [differences([[one[rows]] for one in iterates], rates) for rows in (slice(11), slice(11, 30))]
    other = []
    parts[1].summed(lambda squares: other.append(squares) or squares)
    whole, summed = differences([[one] for one in iterates], rates), parts[0].summed(lambda squares: squares + other[0])
    assert summed.shares == pytest.approx(whole.shares, rel=1e-12)
    assert (summed.step, summed.schedule, summed.rounding) == pytest.approx(
        (whole.step, whole.schedule, whole.rounding)
    )
    assert summed.gram == pytest.approx(whole.gram)
    assert summed.cosine(1) == pytest.approx(whole.cosine(1))
    assert parts[0].shares != pytest.approx(whole.shares, rel=1e-3)


def test_of_processes_what_cannot_be(tmp_path):
    optimizer = torch.optim.SGD([torch.zeros(2, requires_grad=True)], lr=0.1)
    with pytest.raises(InputError, match="processes 2: give a process group"):
        eomsym.torch.track(optimizer, processes=2)
