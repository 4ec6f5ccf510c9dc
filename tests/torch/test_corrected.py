"""``eomsym.torch.Corrected``: follows gradient flow, is SGD at strength 0, is resumed bit by bit."""

import copy
import io

import numpy as np
import pytest
from scipy.integrate import solve_ivp

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch.optim import SGD, lr_scheduler  # noqa: E402

from eomsym.errors import InputError, ResummationWarning  # noqa: E402
from eomsym.optimizers import get  # noqa: E402
from eomsym.torch import Corrected  # noqa: E402

INPUTS = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(6, 2)
TARGETS = torch.tensor([0.3, -0.2, 0.5, 0.1, -0.4, 0.2], dtype=torch.float64)
START = [[[0.5, -0.3, 0.8], [0.2, 0.7, -0.6]], [0.9, -0.5, 0.4]]


def parameters(dtype=torch.float64):
    return [torch.nn.Parameter(torch.tensor(part, dtype=dtype)) for part in START]


def loss(params):
    return ((torch.tanh(INPUTS.to(params[0].dtype) @ params[0]) @ params[1] - TARGETS.to(params[0].dtype)) ** 2).mean()


def train(optimizer, params, steps, scheduler=None):
    def closure():
        optimizer.zero_grad()
        value = loss(params)
        value.backward()
        return value

    values = []
    for _ in range(steps):
        values.append(optimizer.step(closure).item())
        if scheduler is not None:
            scheduler.step()
    return values


def flat(params):
    return torch.cat([part.detach().flatten() for part in params]).numpy().copy()


def flow(time, decay=0.0):
    def field(_, theta):
        params = [torch.nn.Parameter(part.clone()) for part in torch.from_numpy(theta).split([6, 3])]
        shaped = [params[0].reshape(2, 3), params[1]]
        found = torch.autograd.grad(loss(shaped) + decay / 2 * sum((part**2).sum() for part in params), params)
        return -torch.cat(found).numpy()

    start = flat(parameters())
    return solve_ivp(field, (0, time), start, method="DOP853", rtol=1e-13, atol=1e-15).y[:, -1]


def errors(order, decay=0.0, strength=1):
    found = []
    for steps in (80, 160):
        params = parameters()
        train(Corrected(SGD(params, 4.0 / steps, weight_decay=decay), order, strength), params, steps)
        found.append(np.linalg.norm(flat(params) - flow(4.0, decay)))
    return found


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_it_follows_gradient_flow_to_its_order(order, decay):
    found = errors(order, decay)
    assert np.log2(found[-2] / found[-1]) == pytest.approx(order + 1, abs=0.15)


def test_without_the_correction_the_slope_is_one():
    found = errors(3, strength=0)
    assert np.log2(found[-2] / found[-1]) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1}, {"maximize": True}])
def test_at_strength_zero_it_is_sgd_bit_by_bit(options):
    mine, theirs = parameters(torch.float32), parameters(torch.float32)
    train(Corrected(SGD(mine, 0.3, **options), 2, 0), mine, 5)
    train(SGD(theirs, 0.3, foreach=False, **options), theirs, 5)
    assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


def test_maximize_and_groups():
    """Ascent on −L with two learning rates is descent on L with them."""
    up, down = parameters(), parameters()
    groups = [{"params": [up[0]], "lr": 0.2, "maximize": False}, {"params": [up[1]]}]
    train(Corrected(SGD(groups, 0.1), 2), up, 4)
    other = SGD([{"params": [down[0]], "lr": 0.2}, {"params": [down[1]], "lr": 0.1}], 0.5)
    train(Corrected(other, 2), down, 4)
    np.testing.assert_array_equal(flat(up), flat(down))
    single = parameters()
    optimizer = Corrected(SGD(single, 0.1, maximize=True), 1)

    def negative():
        optimizer.zero_grad()
        value = -loss(single)
        value.backward()
        return value

    optimizer.step(negative)
    plain = parameters()
    train(Corrected(SGD(plain, 0.1), 1), plain, 1)
    np.testing.assert_allclose(flat(single), flat(plain), rtol=1e-15)


def test_resumed_from_a_checkpoint_bit_by_bit():
    def made(params):
        optimizer = Corrected(SGD(params, 0.4), 2)
        return optimizer, lr_scheduler.ExponentialLR(optimizer, 0.9)

    whole = parameters()
    optimizer, scheduler = made(whole)
    values = train(optimizer, whole, 12, scheduler)
    first = parameters()
    optimizer, scheduler = made(first)
    train(optimizer, first, 5, scheduler)
    file = io.BytesIO()
    torch.save([first, optimizer.state_dict(), scheduler.state_dict()], file)
    file.seek(0)
    second, *states = torch.load(file, weights_only=False)
    optimizer, scheduler = made(second)
    for part, state in zip((optimizer, scheduler), states, strict=True):
        part.load_state_dict(state)
    assert train(optimizer, second, 7, scheduler) == values[5:]
    np.testing.assert_array_equal(flat(second), flat(whole))


def test_a_closure_that_raises_leaves_the_parameters():
    params, calls = parameters(), []
    optimizer = Corrected(SGD(params, 0.4), 3)

    def closure():
        optimizer.zero_grad()
        calls.append(1)
        if len(calls) == 3:
            raise KeyError("mine")
        loss(params).backward()

    with pytest.raises(KeyError, match="mine"):
        optimizer.step(closure)
    np.testing.assert_array_equal(flat(params), flat(parameters()))


def test_parameters_without_a_gradient_stay():
    params, frozen = parameters(), torch.nn.Parameter(torch.ones(2))
    train(Corrected(SGD([*params, frozen], 0.4), 2), params, 2)
    assert torch.equal(frozen, torch.ones(2))


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Corrected(torch.optim.LBFGS(parameters()), 1), "LBFGS"),
        (lambda: Corrected(torch.optim.Adam(parameters(), amsgrad=True), 1), "amsgrad"),
        (lambda: Corrected(SGD(parameters(), 0.1, momentum=0.9), 1, "1/2"), "strength 1/2: .* with a memory give 1"),
        (lambda: Corrected(SGD(parameters(), 0.1), 1, 1, 0), "substeps 0"),
        (lambda: Corrected(SGD(parameters(), 0.1), 4), "order 4"),
        (lambda: Corrected(SGD(parameters(), 0.1), 1, "much"), "strength"),
        (lambda: Corrected(SGD(parameters(), 0.1), 1).step(), "closure None"),
    ],
)
def test_bad_input(make, named):
    with pytest.raises(InputError, match=named):
        make()


SIZE, TIME, EPSILON = 9, 2.0, 0.1


def slope_at(theta):
    params = [torch.nn.Parameter(part) for part in torch.from_numpy(theta.copy()).split([6, 3])]
    found = torch.autograd.grad(loss([params[0].reshape(2, 3), params[1]]), params)
    return torch.cat([part.flatten() for part in found]).numpy()


class Momentum:
    """θ' = −η v, v' = g − (1 − β) v a step; 1 − β and √η go with h.  Arrays are θ and what stands in the state."""

    def __init__(self, h):
        self.eta, self.beta = h**2, 1 - 0.7 * h

    def made(self, params):
        return SGD(params, self.eta, momentum=self.beta, weight_decay=0.1)

    def begun(self):
        return {"velocity": np.zeros(SIZE)}

    def rates(self, theta, velocity):
        return [-self.eta * velocity, slope_at(theta) + 0.1 * theta - (1 - self.beta) * velocity]


class AdamW:
    """The moments and what is left of the bias fade, θ' = −η (m/(1−c₁)/(√(v/(1−c₂)) + ε) + λ θ)."""

    def __init__(self, h):
        self.eta, self.betas = h, (1 - 1.3 * h, 1 - 0.4 * h)

    def made(self, params):
        return torch.optim.AdamW(params, self.eta, betas=self.betas, eps=EPSILON, weight_decay=0.2)

    def begun(self):
        g = slope_at(flat(parameters()))
        begun = (0.5 * g, 0.3 * g**2 + 0.01, np.full(SIZE, 0.6), np.full(SIZE, 0.7))
        return dict(zip(get("adam").memory, begun, strict=True))

    def rates(self, theta, mean, square, first, second):
        g, (one, two) = slope_at(theta), (1 - beta for beta in self.betas)
        direction = mean / (1 - first) / (np.sqrt(square / (1 - second)) + EPSILON) + 0.2 * theta
        return [-self.eta * direction, one * (g - mean), two * (g**2 - square), -one * first, -two * second]


def end_of_flow(family, steps):
    names = list(family.begun())
    start = np.concatenate([flat(parameters()), *family.begun().values()])

    def field(_, z):
        return np.concatenate(family.rates(*z.reshape(1 + len(names), SIZE)))

    return solve_ivp(field, (0, steps), start, method="DOP853", rtol=1e-12, atol=1e-14).y[:SIZE, -1]


def run_from(family, order, steps, **options):
    """θ after so many corrected steps from the state that the flow has at first."""
    params = parameters()
    optimizer = Corrected(family.made(params), order, **options)
    for i, param in enumerate(params):
        place = slice(0, 6) if i == 0 else slice(6, 9)
        for name, part in family.begun().items():
            optimizer.state[param][name] = torch.from_numpy(part[place].copy()).reshape(param.shape)
        optimizer.state[param]["step"] = torch.tensor(100.0)
    train(optimizer, params, steps)
    return flat(params)


@pytest.mark.parametrize("family_at", [Momentum, AdamW])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_with_a_memory_it_follows_the_flow_of_order_0_of_the_whole_state(family_at, order):
    found = []
    for steps in (160, 320):
        family = family_at(TIME / steps)
        found.append(np.linalg.norm(run_from(family, order, steps) - end_of_flow(family, steps)))
    assert np.log2(found[0] / found[1]) == pytest.approx(order + 1, abs=0.15), found


def test_the_real_steps_have_slope_one():
    """The negative control: momentum as it is."""
    found = []
    for steps in (40, 80):
        family, params = Momentum(TIME / steps), parameters()
        train(family.made(params), params, steps)
        found.append(np.linalg.norm(flat(params) - end_of_flow(family, steps)))
    assert np.log2(found[0] / found[1]) == pytest.approx(1, abs=0.15)


def test_substeps_are_nearer_and_what_a_large_rate_leaves_is_told():
    family = Momentum(TIME / 20)
    one, four = (np.linalg.norm(run_from(family, 1, 20, substeps=n) - end_of_flow(family, 20)) for n in (1, 4))
    assert one / four == pytest.approx(16, rel=0.3)
    params = parameters()
    optimizer = Corrected(SGD(params, 1.5), 2)
    with pytest.warns(ResummationWarning, match="order 2 is [1-9][0-9]% of the steps"):
        train(optimizer, params, 12)
    assert optimizer.share > 0.1
    gentle = parameters()
    optimizer = Corrected(SGD(gentle, 1.5), 2, substeps=20)
    train(optimizer, gentle, 12)
    assert optimizer.share < 0.1


MADE = {
    "momentum": lambda params: SGD(params, 0.05, momentum=0.9),
    "nesterov": lambda params: SGD(params, 0.05, momentum=0.9, nesterov=True),
    "AdamW": lambda params: torch.optim.AdamW(
        [{"params": params[:1]}, {"params": params[1:], "weight_decay": 0.0, "lr": 2e-3}], 1e-3
    ),
    "RMSprop": lambda params: torch.optim.RMSprop(params, 1e-3),
}


@pytest.mark.parametrize("name", MADE)
def test_with_a_memory_it_is_resumed_bit_by_bit(name):
    def made(params):
        optimizer = Corrected(MADE[name](params), 2)
        return optimizer, lr_scheduler.CosineAnnealingLR(optimizer, 30)

    whole, first = parameters(torch.float32), parameters(torch.float32)
    optimizer, scheduler = made(whole)
    values = train(optimizer, whole, 20, scheduler)
    optimizer, scheduler = made(first)
    train(optimizer, first, 8, scheduler)
    states = [copy.deepcopy(part.state_dict()) for part in (optimizer, scheduler)]
    optimizer, scheduler = made(first)
    for part, state in zip((optimizer, scheduler), states, strict=True):
        part.load_state_dict(state)
    assert train(optimizer, first, 12, scheduler) == values[8:]
    np.testing.assert_array_equal(flat(first), flat(whole))


def test_the_first_steps_of_adam_and_those_at_rate_zero_are_its_own():
    mine, theirs = parameters(), parameters()
    train(Corrected(torch.optim.AdamW(mine, 1e-2), 2), mine, 5)
    train(torch.optim.AdamW(theirs, 1e-2), theirs, 5)
    np.testing.assert_allclose(flat(mine), flat(theirs), rtol=1e-12)
    params = parameters()
    optimizer = Corrected(SGD(params, 0.0, momentum=0.9), 2)
    train(optimizer, params, 2)
    np.testing.assert_array_equal(flat(params), flat(parameters()))
    g = slope_at(flat(params))
    np.testing.assert_allclose(optimizer.state[params[0]]["velocity"].flatten().numpy(), 1.9 * g[:6], rtol=1e-12)


def test_what_has_made_steps_is_refused():
    params = parameters()
    optimizer = SGD(params, 0.1, momentum=0.9)
    train(optimizer, params, 1)
    with pytest.raises(InputError, match="has made steps"):
        Corrected(optimizer, 1)


def polar(matrix):
    """PyTorch's iteration for a matrix that is no taller than wide, written out again, and its factor of the shape."""
    made = matrix / np.linalg.norm(matrix)
    for _ in range(5):
        gram = made @ made.T
        made = 3.4445 * made + (-4.7750 * gram + 2.0315 * gram @ gram) @ made
    return made


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="PyTorch before 2.9")
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_muon_without_its_discretization_error(order):
    """m' = (1 − β)(g − m), θ' = −η (P(m) + λ θ); at order 0 its look ahead is nothing."""
    fixed = torch.tensor(START[1], dtype=torch.float64)
    begun = slope_at(flat(parameters()))[:6] * 1.1 + 0.01

    def field(_, z, eta, beta):
        theta, mean = z.reshape(2, 6)
        g = slope_at(np.concatenate([theta, fixed.numpy()]))[:6]
        return np.concatenate([-eta * (polar(mean.reshape(2, 3)).ravel() + 0.1 * theta), (1 - beta) * (g - mean)])

    found = []
    for steps in (80, 160):
        eta, beta = 0.5 / steps, 1 - 1.5 / steps
        param = torch.nn.Parameter(torch.tensor(START[0], dtype=torch.float64))
        optimizer = Corrected(torch.optim.Muon([param], eta, momentum=beta, weight_decay=0.1), order)
        optimizer.state[param].update(mean=torch.from_numpy(begun.copy()).reshape(2, 3), step=torch.tensor(100.0))

        def closure(optimizer=optimizer, param=param):
            optimizer.zero_grad()
            value = loss([param, fixed])
            value.backward()
            return value

        for _ in range(steps):
            optimizer.step(closure)
        start = np.concatenate([np.array(START[0]).ravel(), begun])
        end = solve_ivp(field, (0, steps), start, "DOP853", rtol=1e-12, atol=1e-14, args=(eta, beta)).y[:6, -1]
        found.append(np.linalg.norm(flat([param]) - end))
    assert np.log2(found[0] / found[1]) == pytest.approx(order + 1, abs=0.15), found
