"""Optimisers of one's own whose step has no derivative: what jumps is refused, and a run may not cross a kink."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

import eomsym  # noqa: E402
from eomsym.errors import InputError  # noqa: E402

GENERATOR = np.random.default_rng(0)
DATA = GENERATOR.normal(size=(8, 2)), GENERATOR.normal(size=(8, 1))
RATE = 0.05


class Own(torch.optim.Optimizer):
    """``change(gradient, state)`` is what goes down a parameter."""

    def __init__(self, parameters, lr=RATE, change=lambda gradient, state: gradient):
        super().__init__(parameters, {"lr": lr})
        self.change = change

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                if not state:
                    state["m"] = torch.zeros_like(parameter)
                    state["step"] = torch.tensor(0.0)
                state["step"] += 1
                parameter.sub_(self.change(parameter.grad, state), alpha=group["lr"])


class Clipped(torch.optim.SGD):
    """Descent that clips by the norm of all gradients."""

    def __init__(self, parameters, lr=RATE, most=1.0, by=torch.nn.utils.clip_grad_norm_):
        super().__init__(parameters, lr=lr)
        self.most, self.by = most, by

    def step(self, closure=None):
        self.by([parameter for group in self.param_groups for parameter in group["params"]], self.most)
        super().step()


def by_comparison(parameters, most):
    """The same as people write it, with Python's own ``if``."""
    size = torch.sqrt(sum((parameter.grad**2).sum() for parameter in parameters))
    if size > most:
        for parameter in parameters:
            parameter.grad.mul_(most / size)


class ForeachSign(torch.optim.Optimizer):
    """Sign descent, all tensors at once."""

    def __init__(self, parameters):
        super().__init__(parameters, {"lr": RATE})

    @torch.no_grad()
    def step(self, closure=None):
        tensors = self.param_groups[0]["params"]
        torch._foreach_add_(tensors, torch._foreach_sign([part.grad for part in tensors]), alpha=-RATE)


def lion(gradient, state):
    change = torch.sign(0.9 * state["m"] + 0.1 * gradient)
    state["m"].mul_(0.99).add_(gradient, alpha=0.01)
    return change


def amsgrad(gradient, state):
    torch.maximum(0.9 * state["m"], gradient**2, out=state["m"])
    return gradient / (state["m"].sqrt() + 1e-8)


def kept_anew(gradient, state):
    state["m"] = torch.maximum(0.9 * state["m"], gradient**2)
    return gradient / (state["m"].sqrt() + 1e-8)


def checked(gradient, state):
    """Looks whether it is finite, by its absolute value, and takes what is not very small."""
    assert torch.isfinite(gradient).all()
    return torch.where(gradient.abs() < 10, gradient, 0.0)


def momentum(gradient, state):
    warmed = 1.0 if state["step"] > 3 else 0.5  # a switch at a number of steps
    return state["m"].lerp_(gradient, 0.1) * warmed


def adam(make):
    return lambda tensors: make(tensors, lr=0.01)


SIGN, KEPT = "takes the sign of what moves, which jumps", "keeps the maximum of a memory and something new"
REFUSED = {
    "Rprop": (torch.optim.Rprop, "torch.Rprop: no equation of motion, the sign of g jumps"),
    "Adam, amsgrad": (
        lambda of: torch.optim.Adam(of, amsgrad=True),
        "torch.Adam: no equation of motion, it keeps the max",
    ),
    "AdamW, amsgrad": (lambda of: torch.optim.AdamW(of, amsgrad=True), "torch.AdamW: no equation of motion, it keeps"),
    "Adamax": (torch.optim.Adamax, "torch.Adamax: no equation of motion, it divides by a maximum"),
    "own Lion": (lambda of: Own(of, change=lion), SIGN),
    "own sign, of all at once": (ForeachSign, SIGN),
    "own sign, copied": (
        lambda of: Own(of, change=lambda g, state: torch.copysign(torch.ones_like(g), g)),
        "'copysign'",
    ),
    "own sign, by a step": (lambda of: Own(of, change=lambda g, state: torch.heaviside(g, 0 * g) - 0.5), "'heaviside'"),
    "own amsgrad": (lambda of: Own(of, change=amsgrad), KEPT),
    "own amsgrad, with new arrays": (lambda of: Own(of, change=kept_anew), KEPT),
    "own rounding": (lambda of: Own(of, change=lambda g, state: torch.round(g, decimals=3)), "'round'"),
}
SMOOTH = {
    "SGD": lambda of: torch.optim.SGD(of, lr=RATE),
    "momentum": lambda of: torch.optim.SGD(of, lr=RATE, momentum=0.9),
    "Nesterov": lambda of: torch.optim.SGD(of, lr=RATE, momentum=0.9, nesterov=True),
    **{name: adam(getattr(torch.optim, name)) for name in ("Adam", "AdamW", "RMSprop", "Adagrad", "NAdam")},
    "Adadelta": adam(torch.optim.Adadelta),
    "own, checked": lambda of: Own(of, change=checked),
    "own momentum": lambda of: Own(of, change=momentum),
    "own, smooth in place of a sign": lambda of: Own(of, change=lambda g, state: g / torch.sqrt(g**2 + 0.1)),
    "a clip that is idle": lambda of: Clipped(of, most=100.0),
    "a clip that acts": lambda of: Clipped(of, most=0.1),
    "a comparison that is idle": lambda of: Clipped(of, most=100.0, by=by_comparison),
}
QUESTIONS = {
    "follow": lambda training: eomsym.follow(training, 20),
    "verify": lambda training: eomsym.verify(training, range(2)),
    "drift": lambda training: eomsym.drift(training, "loss", range(2), steps=5, state="whole"),
    "terms": lambda training: eomsym.terms(training, 5, 1, points=1),
    "recommend": lambda training: eomsym.recommend(training, 0.01, 0.1, range(2)),
    "edge": lambda training: eomsym.edge(training, order=1),
    "noise": lambda training: eomsym.noise(training.with_(batches=eomsym.Batches(2)), 8),
}


def model():
    module = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Tanh()).double()
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[0.5, -0.3]]))
        module[0].bias.copy_(torch.tensor([0.1]))
    return module


def posed(make):
    module = model()
    return eomsym.Training((module, torch.nn.MSELoss()), DATA, make(list(module.parameters())))


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("name", REFUSED)
def test_what_jumps_or_keeps_a_maximum_is_refused_in_one_line(question, name):
    make, message = REFUSED[name]
    wanted = re.escape(message) if question == "follow" else None
    with pytest.raises(InputError, match=wanted) as caught:
        QUESTIONS[question](posed(make))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", SMOOTH)
def test_what_is_smooth_where_the_run_is_is_followed(name):
    found = eomsym.follow(posed(SMOOTH[name]), 6, orders=(0,), after=1)
    assert np.isfinite(found.errors[0])


def norms(most, steps=12, rate=0.1):
    """‖g‖ before each step of descent that is clipped, by hand."""
    module, found = model(), []
    inputs, targets = map(torch.as_tensor, DATA)
    for _ in range(steps):
        slope = torch.autograd.grad(torch.nn.functional.mse_loss(module(inputs), targets), module.parameters())
        size = float(torch.cat([part.reshape(-1) for part in slope]).norm())
        with torch.no_grad():
            for parameter, part in zip(module.parameters(), slope, strict=True):
                parameter.sub_(rate * min(1.0, most / size) * part)
        found.append(size)
    return found


@pytest.mark.parametrize(("by", "name"), [(torch.nn.utils.clip_grad_norm_, "clamp"), (by_comparison, "comparison gt")])
def test_a_run_that_crosses_a_clip_is_refused_at_that_step_and_followed_on_either_side(by, name):
    most = 0.9 * norms(np.inf)[0]
    acts = [size > most for size in norms(most)]
    crossing = acts.index(False)  # so many steps are clipped
    assert 2 <= crossing < 10

    def make(tensors):
        return Clipped(tensors, lr=0.1, most=most, by=by)

    with pytest.raises(InputError, match=f"its {name} goes to another side at step {crossing + 1},"):
        eomsym.follow(posed(make), crossing + 1, orders=(0,))
    eomsym.follow(posed(make), crossing, orders=(0,))
    eomsym.follow(posed(make), 5, orders=(0,), after=crossing)


BENT = {
    "comparison gt": lambda gradient, state: torch.where(gradient > 0, gradient, 2 * gradient),
    "abs": lambda gradient, state: gradient + 0.1 * gradient.abs(),
    "linalg_vector_norm": lambda gradient, state: gradient * (1 + 0.1 * gradient.norm(p=1)),
    "leaky_relu": lambda gradient, state: torch.nn.functional.leaky_relu(gradient, 0.9),
    "maximum": lambda gradient, state: torch._foreach_maximum([gradient], [0.9 * gradient])[0],
    "clamp_min": lambda gradient, state: torch._foreach_maximum([gradient], -0.1)[0],
    "clamp": lambda gradient, state: gradient.clamp_(-0.1, 100),
    "sort": lambda gradient, state: gradient * (1 + 0.1 * gradient.sort().values[0] ** 2),
}


@pytest.mark.parametrize("kink", BENT)
def test_an_entry_that_changes_its_sign_or_place_is_seen(kink):
    def bowl(params):
        return (params**2 * torch.tensor([1.0, 30.0], dtype=torch.float64)).sum() / 2

    params = torch.tensor([1.0, 0.3], dtype=torch.float64, requires_grad=True)
    wanted = "clamp_min|maximum" if kink == "clamp_min" else kink
    with pytest.raises(InputError, match=f"its ({wanted}) goes to another side at step 2,"):
        eomsym.follow(eomsym.Training(bowl, None, Own([params], change=BENT[kink]), theta=params), 5, orders=(0,))
    # where nothing changes its sign it is as smooth as any
    params = torch.tensor([1.0, 0.3], dtype=torch.float64, requires_grad=True)
    own = Own([params], lr=0.005, change=BENT[kink])
    eomsym.follow(eomsym.Training(bowl, None, own, theta=params), 5, orders=(0,))


@pytest.mark.parametrize("foreach", [None, True, False])
def test_a_run_that_crosses_a_clip_by_value_is_refused(foreach):
    """30 y is 9 and then 4.5, between which 5 is."""

    def follow(most):
        params = torch.tensor([1.0, 0.3], dtype=torch.float64, requires_grad=True)

        def by(tensors, most):
            torch.nn.utils.clip_grad_value_(tensors, most, foreach=foreach)

        def bowl(values):
            return (values**2 * torch.tensor([1.0, 30.0], dtype=torch.float64)).sum() / 2

        own = Clipped([params], lr=0.03, most=most, by=by)
        return eomsym.follow(eomsym.Training(bowl, None, own, theta=params), 5, orders=(0,))

    with pytest.raises(InputError, match=r"its clamp(_max)? goes to another side at step 2,"):
        follow(5.0)
    follow(10.0)


def test_a_comparison_of_what_has_a_kink_is_no_kink_where_it_stays():
    """|g| has another side where g changes its sign, and |g| < 10 has none."""
    params = torch.tensor([1.0, 0.3], dtype=torch.float64, requires_grad=True)

    def bowl(values):
        return (values**2 * torch.tensor([1.0, 30.0], dtype=torch.float64)).sum() / 2

    own = eomsym.follow(eomsym.Training(bowl, None, Own([params], change=checked), theta=params), 5, orders=(0,))
    plain = eomsym.follow(eomsym.Training(bowl, None, torch.optim.SGD([params], lr=RATE), theta=params), 5, orders=(0,))
    assert own.iterates[0, 1] * own.iterates[1, 1] < 0
    np.testing.assert_array_equal(own.iterates, plain.iterates)


def test_a_hook_of_a_gradient_is_looked_into():
    module = model()
    for parameter in module.parameters():
        parameter.register_hook(lambda gradient: gradient.clamp(-0.4, 0.4))
    training = eomsym.Training((module, torch.nn.MSELoss()), DATA, torch.optim.SGD(module.parameters(), lr=0.1))
    with pytest.raises(InputError, match="its clamp goes to another side at step"):
        eomsym.follow(training, 20, orders=(0,))
    module = model()
    for parameter in module.parameters():
        parameter.register_hook(lambda gradient: 2 * gradient)
    training = eomsym.Training((module, torch.nn.MSELoss()), DATA, torch.optim.SGD(module.parameters(), lr=0.1))
    eomsym.follow(training, 20, orders=(0,))
