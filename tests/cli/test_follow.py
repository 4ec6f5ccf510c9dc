"""``eomsym follow``: the table, the JSON of the library, the figure."""

import asking
import shared_kernels

from eomsym.models import dataset

#: The network of the committed kernel.
MODEL = ("--layers", "2,8,2", "--activation", "softplus", "--weight-decay", "0.01")
SMALL = ("follow", "--dataset", "moons", *MODEL, "--optimizer", "torch.Adam()", "--eta", "0.001", "--steps", "20")
SMALL = (*SMALL, "--after", "5")


def test_json_is_that_of_the_library(run):
    result = run(*SMALL, "--orders", "0,2", "--seed", "3", "--format", "json")
    assert result.status == 0
    assert result.out.count("\n") == 1
    record = result.json
    kernel = shared_kernels.kernel("moons")
    found = asking.follow(
        kernel,
        kernel.model.initial(3),
        1e-3,
        20,
        *dataset("moons", 3).arrays,
        optimizer="torch.Adam()",
        orders=(0, 2),
        after=5,
    )
    assert {**found.to_dict(), "dataset": "moons", "seed": 3} == record
    assert record["orders"][1]["error"] < 1e-2 * record["orders"][0]["error"]


def test_descent_has_one_state_only(run):
    result = run("follow", "--dataset", "moons", *MODEL, "--eta", "0.1", "--steps", "10", "--format", "json")
    assert (result.status, result.err) == (0, "")
    assert [entry["order"] for entry in result.json["orders"]] == [0, 1, 2], "by default"
    assert result.json["no_slow"] == "it has no memory: the whole state is θ"


def test_table_and_figure(run, tmp_path):
    result = run(*SMALL, "--orders", "0", "--plot", "follow.png", "--quiet")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("torch.Adam() (beta1 = 9/10, beta2 = 999/1000, epsilon = 1/100000000) on moons: 2-8-2")
    assert "eta 0.001, steps 5 to 25" in result.out
    assert "of the movement of 20 steps" in result.out
    assert (tmp_path / "follow.png").read_bytes().startswith(b"\x89PNG")
