"""Sweep files: what follows from one, and that whatever is not understood is refused by its name."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eomsym import optimizers, sweeps
from eomsym.errors import InputError
from eomsym.models import MLP, dataset
from eomsym.sweeps.plan import MAX_JOBS

FULL = """
orders = [0, 2]
etas = [0.4, 0.2]
steps = 4
seeds = [5, 7]

[[optimizer]]
name = "gd"

[[optimizer]]
name = "heavy-ball"
parameters = { beta = ["1/2", 0.9] }
etas = [0.1, 0.05, 0.025]

[[model]]
data = ["moons", "digits-small"]
hidden = [3]
activation = ["tanh", "sin"]
weight-decay = [0, 0.01]

[[model]]
data = "teacher"
layers = [2, 4, 1]
normalization = "weight"
bias = false
"""
ADAM = "adam(inside=yes, corrected=no)"
SMALL = 'orders = [0]\netas = [0.2]\n[[optimizer]]\nname = "gradient-descent"\n[[model]]\ndata = "moons"\n'


@pytest.fixture
def read(tmp_path):
    """The plan of a text."""

    def call(text):
        path = tmp_path / "sweep.toml"
        path.write_text(text)
        return sweeps.read_plan(path)

    return call


def test_everything_times_everything(read):
    plan = read(FULL)
    assert [str(choice) for choice in plan.optimizers] == [
        "gradient-descent",
        "heavy-ball (beta=1/2)",
        "heavy-ball (beta=9/10)",
    ]
    assert len(plan.models) == 2 * 2 * 2 + 1
    assert plan.models[3].model == MLP([2, 3, 2], "sin", "cross-entropy", 0.01)
    assert plan.models[4].model.layers == (8, 3, 10)
    assert plan.models[8].model == MLP([2, 4, 1], "tanh", "mse", 0.0, "weight", bias=False)
    assert "no-bias" in str(plan.models[8])
    assert sweeps.plan_from_dict(plan.to_dict()) == plan
    jobs = list(plan.jobs())
    assert len(jobs) == len(plan) == (2 + 3 + 3) * 9 * 2
    assert len({job.digest for job in jobs}) == len(jobs)
    assert {job.seed for job in jobs} == {5, 7}
    assert {job.orders for job in jobs} == {(0, 2)}
    first = jobs[0]
    assert (first.optimizer, first.eta, first.time) == ("gradient-descent", 0.4, 1.6)


def test_paths_of_all_step_sizes_end_at_one_time(read):
    plan = read(FULL)
    jobs = [job for job in plan.jobs() if job.parameters == (("beta", "9/10"),)]
    assert {job.eta for job in jobs} == {0.1, 0.05, 0.025}
    assert {job.time for job in jobs} == {0.4}


def test_an_epoch_takes_the_time_of_its_steps(read):
    plan = read(SMALL.replace('"gradient-descent"', '"mini-batches"\nparameters = { batches = 4 }'))
    assert next(plan.jobs()).time == 8 * 0.2 * 4


def test_defaults_are_those_of_verify(read):
    plan = read(SMALL.replace("gradient-descent", "heavy-ball"))
    assert plan.seeds == (0,)
    assert plan.steps == 8
    assert plan.optimizers[0].parameters == (("beta", "9/10"),), "what people use"


def test_a_library_s_name_gives_all_parameters(read):
    text = "torch.SGD(momentum=0.5, nesterov=True)"
    (choice,) = read(SMALL.replace("gradient-descent", text)).optimizers
    assert (choice.name, choice.parameters) == ("nesterov(lookahead=yes)", (("beta", "1/2"),))
    with pytest.raises(InputError, match=r"beta: 'torch.SGD\(.*\)' gives all parameters itself; write it in there"):
        read(SMALL.replace('"gradient-descent"', f'"{text}"\nparameters = {{ beta = 0.5 }}'))


def test_a_number_of_seeds_counts_from_0(read):
    assert read("seeds = 3\n" + SMALL).seeds == (0, 1, 2)


def test_options_are_true_or_false(read):
    text = SMALL.replace('"gradient-descent"', '"adam"\nparameters = { inside = [true, false], corrected = false }')
    assert [choice.name for choice in read(text).optimizers] == [ADAM, "adam(corrected=no)"]


def test_decimals_are_exact(read):
    text = SMALL.replace('"gradient-descent"', f'"{ADAM}"\nparameters = {{ epsilon = 1e-8, beta1 = 0.9 }}')
    exact = dict(read(text).optimizers[0].parameters)
    assert (exact["epsilon"], exact["beta1"]) == ("1/100000000", "9/10")


def test_a_sweep_that_grows_keeps_its_jobs(read):
    before = {job.digest for job in read("seeds = 2\n" + SMALL).jobs()}
    after = {job.digest for job in read("seeds = 3\n" + SMALL.replace("[0.2]", "[0.2, 0.1]")).jobs()}
    assert before < after


@given(
    orders=st.lists(st.integers(0, 11), min_size=1, max_size=4, unique=True),
    halvings=st.integers(0, 5),
    seeds=st.one_of(st.integers(1, 9), st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True)),
    optimizer=st.sampled_from(["gradient-descent", "nesterov", ADAM, "runge-kutta-4", "random-reshuffling"]),
    model=st.fixed_dictionaries(
        {"data": st.sampled_from(["moons", "teacher"])},
        optional={
            "hidden": st.lists(st.integers(1, 9), min_size=1, max_size=3),
            "activation": st.sampled_from(["gelu", "sin"]),
            "weight-decay": st.floats(0, 1),
        },
    ),
)
def test_a_plan_comes_back_from_its_own_words(orders, halvings, seeds, optimizer, model):
    words = {
        "orders": orders,
        "etas": [0.3 / 2**k for k in range(halvings + 1)],
        "seeds": seeds,
        "optimizer": [{"name": optimizer}],
        "model": [model],
    }
    plan = sweeps.plan_from_dict(words)
    assert sweeps.plan_from_dict(plan.to_dict()) == plan
    assert len(list(plan.jobs())) == len(plan)


def test_data_of_ones_own_are_pinned_to_the_file_that_is_there(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = SMALL.replace('"moons"', '"own.csv"\ntarget = ["y"]\nscale = "range"')
    names = []
    for rows in ("1,2,3.5\n4,5,6\n", "1,2,3.5\n4,5,7\n"):
        (tmp_path / "own.csv").write_text(f"a,b,y\n{rows}")
        plan = read(text)
        (job,) = plan.jobs()
        assert job.model == MLP([2, 16, 1], "tanh", "mse")
        assert dataset(job.dataset).inputs.tolist() == [[0, 0], [1, 1]]
        assert sweeps.plan_from_dict(plan.to_dict()) == plan
        names.append(job.digest)
    assert names[0] != names[1], "results of other data would be found"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ('"moons"\ntarget = "y"', "target is said of a file, and 'moons' is none"),
        ('"own.csv"\nscale = "unit"', "scale 'unit': unknown; choose from none, standard, range"),
        ('"own.csv"\nheader = 1', "line 7: model: header 1: input should be a valid boolean"),
        ('"own.csv"\ntarget = "z"', "has no column 'z'; choose from a, y"),
        ('"own.csv"\nlayers = [2, 1]', "do not fit own.csv"),
        ('"missing.csv"', "data 'missing.csv': cannot be read"),
    ],
)
def test_data_of_ones_own_that_cannot_be_read(read, tmp_path, monkeypatch, words, fault):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_text("a,y\n1,2\n3,5\n")
    with pytest.raises(InputError, match=fault):
        read(SMALL.replace('"moons"', words))


#: What is changed in ``SMALL``, into what, and what the message must say.
BAD = [
    ("orders = [0]", "", "no orders"),
    ("orders = [0]", "odrers = [0]", "key 'odrers' is unknown; did you mean 'orders'?"),
    ("orders = [0]", "orders = [0]\nxyzzy = 1", "key 'xyzzy' is unknown; choose from orders, etas"),
    ("orders = [0]", "orders = [0, 0]", "twice"),
    ("orders = [0]", "orders = [12]", "orders 12: out of range; give an integer from 0 to 11"),
    ("orders = [0]", "orders = [true]", "orders True"),
    ("orders = [0]", "orders = [0.0]", "not an integer; give one from 0 to 11"),
    ("orders = [0]", "orders = 0", "line 1: sweep: orders 0: input should be a valid list; write orders = [0, 1, 2]"),
    ("orders = [0]", "orders = []", "orders []: list should have at least 1 item"),
    ("etas = [0.2]", "", "no step sizes"),
    ("etas = [0.2]", "etas = []", "line 2: sweep: etas []: list should have at least 1 item"),
    ("etas = [0.2]", "etas = [0.1, 0.2]", "each half of the one before"),
    ("etas = [0.2]", "etas = [0.1, 0.0]", "above 0"),
    ("etas = [0.2]", "etas = [-0.1]", "above 0"),
    ("etas = [0.2]", "etas = [nan]", "'nan': out of range"),
    ("etas = [0.2]", "etas = [1e999999999]", "out of range"),
    ("etas = [0.2]", f"etas = [{'9' * 400}]", "not a finite number"),
    ("etas = [0.2]", "etas = ['0.2']", "'0.2' is not a finite number"),
    ("etas = [0.2]", "etas = [0.2, 0.15]", "not a whole number of steps of 0.15"),
    ("etas = [0.2]", "etas = [0.2]\nsteps = 0", "steps 0"),
    ("etas = [0.2]", "etas = [0.2]\nseeds = 0", "seeds 0"),
    ("etas = [0.2]", "etas = [0.2]\nseeds = [1, 1]", "seeds [1, 1]"),
    ("etas = [0.2]", "etas = [0.2]\nseeds = [-1]", "seeds -1"),
    ("etas = [0.2]", "etas = [0.2]\nseeds = 100001", "seeds 100001"),
    ("[[optimizer]]", "[optimizer]", "input should be a valid list; write a table [[optimizer]]"),
    ("[[model]]", "[model]", "input should be a valid list; write a table [[model]]"),
    ('name = "gradient-descent"', "", "line 3: optimizer: no name; write name ="),
    ('"gradient-descent"', '"adamm"', "optimizer 'adamm': unknown"),
    ('"gradient-descent"', '"gd"\nbeta = 1', "line 5: optimizer: key 'beta' is unknown"),
    ('"gradient-descent"', '"gd"\nparameters = { beta = 1 }', "'beta'"),
    (
        '"gradient-descent"',
        '"gd"\nparameters = 3',
        "parameters 3: input should be a valid dictionary; write param",
    ),
    ('"gradient-descent"', '"heavy-ball"\nparameters = { beta = 1.5 }', "out of range"),
    ('"gradient-descent"', '"heavy-ball"\nparameters = { beta = true }', "True"),
    ('"gradient-descent"', '"heavy-ball"\nparameters = { beta = [] }', "not one job"),
    ('"gradient-descent"', '"heavy-ball"\nparameters = { beta = [0.5, "1/2"] }', "stands there 2 times"),
    ('data = "moons"', "", "no data"),
    ('data = "moons"', 'data = "mnist"', "dataset 'mnist': unknown"),
    ('data = "moons"', "data = 3", "line 6: model: data 3: input should be a valid string; write data ="),
    ('data = "moons"', 'data = ["moons", "moons"]', "stands there 2 times"),
    ('data = "moons"', 'data = "moons"\nlayers = [3, 2]', "do not fit moons"),
    ('data = "moons"', 'data = "teacher"\nlayers = [2, 2]', "the last is 1"),
    ('data = "moons"', 'data = "moons"\nlayers = [2, 2]\nhidden = [2]', "both layers and hidden"),
    ('data = "moons"', 'data = "moons"\nhidden = [0]', "hidden 0"),
    ('data = "moons"', 'data = "moons"\nloss = "mse"', "take cross-entropy"),
    ('data = "moons"', 'data = "moons"\nactivation = "relu"', "second derivative"),
    ('data = "moons"', 'data = "moons"\nweight-decay = -1', "weight_decay"),
    ('data = "moons"', 'data = "moons"\nweight_decay = 1', "did you mean 'weight-decay'?"),
    ("orders = [0]", "orders = [0", "not TOML"),
    ("orders = [0]", f"orders = [{'9' * 5000}]", "sweep"),
    ("orders = [0]", "orders = " + "[" * 5000, "not TOML"),
]


@pytest.mark.parametrize(("old", "new", "fault"), BAD, ids=[f"{case[1][:40]}" for case in BAD])
def test_what_is_wrong_is_named(read, old, new, fault):
    assert SMALL.count(old) == 1
    with pytest.raises(InputError) as raised:
        read(SMALL.replace(old, new))
    message = str(raised.value)
    assert "sweep.toml': " in message
    assert fault in message
    assert len(message) < 700


def test_the_size_of_the_grid_is_limited_and_told(read):
    many = f"seeds = {MAX_JOBS // 2}\n" + SMALL.replace("[0.2]", "[0.2, 0.1]")
    assert len(read(many)) == MAX_JOBS
    with pytest.raises(InputError, match=r"150000 jobs \(3 optimisers with step sizes x 1 models x 50000 seeds\)"):
        read(many.replace("[0.2, 0.1]", "[0.2, 0.1, 0.05]"))


def test_lists_that_multiply_beyond_all_memory_are_refused_soon(read, monkeypatch):
    """A million combinations; the first few too many are enough to see it."""
    asked = []
    complete = optimizers.Optimizer.complete
    monkeypatch.setattr(optimizers.Optimizer, "complete", lambda *a, **k: asked.append(a) or complete(*a, **k))
    monkeypatch.setattr("eomsym.sweeps.plan.MAX_JOBS", 50)
    values = ", ".join(f"{k}e-3" for k in range(1000))
    text = SMALL.replace(
        '"gradient-descent"',
        f'"{ADAM}"\nparameters = {{ beta1 = [{values}], beta2 = [{values}] }}',
    )
    with pytest.raises(InputError, match="51 jobs"):
        read(text)
    assert len(asked) == 51


def test_files_that_cannot_be_sweeps(tmp_path):
    with pytest.raises(InputError, match=r"missing\.toml.*cannot be read"):
        sweeps.read_plan(tmp_path / "missing.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="byte 0 is not UTF-8"):
        sweeps.read_plan(tmp_path / "bytes.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * 2_000_000)
    with pytest.raises(InputError, match="larger than"):
        sweeps.read_plan(tmp_path / "large.toml")


def test_an_optimiser_of_the_users_own_is_refused(cheap, monkeypatch):
    own = dataclasses.replace(optimizers.get("gradient-descent"), name="my-descent", aliases=())
    monkeypatch.setitem(optimizers.registry._BY_ALIAS, "my-descent", own)
    with pytest.raises(InputError, match="registered in this process only"):
        sweeps.plan_from_dict(cheap(optimizer=[{"name": "my-descent"}]))
