"""The loop that people run: AdamW with a group without decay, clipped by the norm of all, on a net with LayerNorm."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch import nn  # noqa: E402

import eomsym  # noqa: E402

RANDOM = np.random.default_rng(3)
DATA = RANDOM.normal(size=(8, 3)), RANDOM.integers(0, 2, size=8)
RATES, BETAS, EPS, DECAY = (0.01, 0.02), (0.5, 0.6), 0.05, 0.1
#: The gradient's norm goes from 0.82 to 0.19.
SIDES = {"clipped": 0.05, "free": 100.0}


def network():
    torch.manual_seed(209)  # a start where no component of g is near 0, at which roots have a kink
    made = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Tanh(), nn.Linear(4, 2)).double()
    with torch.no_grad():
        made[1].weight.add_(0.2 * torch.randn(4))
        made[1].bias.add_(0.2 * torch.randn(4))
    return made


def groups_of(module):
    """Matrices decay at half the rate of vectors, which do not."""
    parts = list(module.parameters())
    return [
        {"params": [part for part in parts if part.ndim > 1], "lr": RATES[0], "weight_decay": DECAY},
        {"params": [part for part in parts if part.ndim == 1], "lr": RATES[1], "weight_decay": 0.0},
    ]


class ClippedAdamW(torch.optim.AdamW):
    """The loop's two lines as one step."""

    def __init__(self, groups, most, **options):
        super().__init__(groups, **options)
        self.most = most

    def step(self, closure=None):
        nn.utils.clip_grad_norm_([part for group in self.param_groups for part in group["params"]], self.most)
        super().step()


def flat(module):
    return torch.cat([part.detach().reshape(-1) for part in module.parameters()]).numpy().copy()


def real_run(most, steps):
    """As it stands in people's files."""
    module, inputs, targets = network(), *map(torch.as_tensor, DATA)
    optimizer = torch.optim.AdamW(groups_of(module), betas=BETAS, eps=EPS)
    rows, norms = [flat(module)], []
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(inputs), targets).backward()
        norms.append(float(nn.utils.clip_grad_norm_(module.parameters(), most)))
        optimizer.step()
        rows.append(flat(module))
    return np.array(rows), np.array(norms)


def by_object(most, groups=groups_of):
    module = network()
    own = ClippedAdamW(groups(module), most, lr=RATES[1], betas=BETAS, eps=EPS)
    return eomsym.Training((module, nn.CrossEntropyLoss()), DATA, own)


def by_name(most, **changes):
    """The same by name, in units of the larger rate."""
    halved, still = {"eta_factor": "1/2"}, {"decay": 0}
    asked = {
        "groups": {"0.weight": halved, "3.weight": halved, "1.weight": still, "*bias": still},
        **dict(zip(("beta1", "beta2"), BETAS, strict=True)),
        **{"epsilon": EPS, "decay": DECAY, "clip_norm": most, "clip_epsilon": 1e-6},
    }
    return eomsym.Training((network(), nn.CrossEntropyLoss()), DATA, "adamw", RATES[1], **{**asked, **changes})


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("posed", [by_object, by_name], ids=lambda posed: posed.__name__)
def test_the_run_is_the_loop_s_step_for_step(posed, side):
    rows, norms = real_run(SIDES[side], 25)
    assert (norms > SIDES[side]).all() == (norms > SIDES[side]).any() == (side == "clipped")
    found = eomsym.follow(posed(SIDES[side]), 25, orders=(0,)).iterates
    np.testing.assert_allclose(found, rows, rtol=0, atol=1e-14)
    if posed is by_object:
        for most, groups in ((0.051, groups_of), (SIDES[side], lambda module: list(module.parameters()))):
            if side == "clipped" or most != 0.051:
                run = eomsym.follow(posed(most, groups), 25, orders=(0,)).iterates
                assert np.abs(run - rows).max() > 1e-4


@pytest.mark.parametrize("side", SIDES)
def test_errors_fall_with_the_order_on_either_side(side):
    errors = eomsym.follow(by_object(SIDES[side]), 10, after=8).errors
    assert errors[0] > 5 * errors[1] > 15 * errors[2]
    asked = by_name(SIDES[side], beta1="1/4", beta2="1/3")
    found = eomsym.verify(asked, range(3), state="slow", etas=[0.0025, 0.00125])
    assert [record.slope for record in found.orders] == pytest.approx([1, 2, 3], abs=0.1)


def test_the_equation_without_groups_or_of_the_other_side_stays_away():
    run = eomsym.follow(by_object(SIDES["clipped"]), 10, (0,), after=8)
    for most, groups in ((SIDES["clipped"], lambda module: list(module.parameters())), (SIDES["free"], groups_of)):
        path = eomsym.follow(by_object(most, groups), 10, (2,), after=8).paths[2]
        assert np.linalg.norm((path[-1] - path[0]) - (run.iterates[-1] - run.iterates[0])) > 0.1 * run.moved
