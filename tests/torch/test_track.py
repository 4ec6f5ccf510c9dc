"""The tracker around real PyTorch loops: what each kind of run is told, and that no loop is broken."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch import nn  # noqa: E402
from torch.optim import lr_scheduler  # noqa: E402

from eomsym import Tracker, edge_threshold  # noqa: E402
from eomsym.derivation import thresholds  # noqa: E402
from eomsym.errors import InputError  # noqa: E402
from eomsym.torch import counterterms, track  # noqa: E402
from eomsym.tracking.verdict import EDGE, KINKS, NOISE, SERIES, TRANSIENT  # noqa: E402

SAMPLES = 256


@pytest.fixture(scope="module")
def digits():
    pixels, labels = load_digits(return_X_y=True)
    return torch.from_numpy(pixels[:SAMPLES] / 16), torch.from_numpy(labels[:SAMPLES])


def perceptron():
    return nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))


def convolutional():
    layers = nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 10)
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *layers)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 10)

    def forward(self, inputs):
        return self.out(self.lstm(inputs.reshape(-1, 8, 8))[0][:, -1])


def train(model, make, data, steps, every=20, order=3, batch=None, scheduler=None, **options):
    """A tracked loop, as anybody writes it."""
    inputs, labels = (part.to(next(model.parameters()).dtype) if part.is_floating_point() else part for part in data)
    optimizer = make(model.parameters())
    rates = scheduler(optimizer) if scheduler else None
    with track(optimizer, order=order, every=every, **options) as run:
        for _ in range(steps):
            chosen = torch.randint(SAMPLES, (batch,)) if batch else slice(None)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen]).backward()
            optimizer.step()
            if rates:
                rates.step()
    return run


def descent(rate):
    return lambda parameters: torch.optim.SGD(parameters, rate)


def momentum(rate):
    return lambda parameters: torch.optim.SGD(parameters, rate, momentum=0.9)


def adam(rate):
    return lambda parameters: torch.optim.Adam(parameters, rate)


def cosine(optimizer):
    return lr_scheduler.CosineAnnealingLR(optimizer, 201)


RUNS = {
    "descent": (SERIES, perceptron, descent(0.1), {}),
    "momentum with cosine": (SERIES, perceptron, momentum(0.1), {"scheduler": cosine}),
    "Adam after its transient": (SERIES, perceptron, adam(1e-3), {}),
    "relu and max-pooling": (KINKS, convolutional, descent(0.1), {}),
    "relu and max-pooling, momentum": (KINKS, convolutional, momentum(0.01), {}),
    "batches of 8": (NOISE, perceptron, descent(0.1), {"batch": 8}),
    "batches of 8, Adam": (NOISE, perceptron, adam(1e-3), {"batch": 8}),
    "LSTM": (SERIES, Recurrent, descent(0.1), {}),
}


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("case", RUNS)
def test_verdicts(case, order, digits):
    wanted, make_model, make_optimizer, options = RUNS[case]
    torch.manual_seed(order)
    run = train(make_model().double(), make_optimizer, digits, 200, order=order, **options)
    assert run.verdict == wanted, str(run)
    assert not run.problems


def test_adam_in_its_transient(digits):
    torch.manual_seed(0)
    run = train(perceptron().double(), adam(1e-3), digits, 40, every=8)
    assert {one.verdict for one in run.measurements} == {TRANSIENT}
    assert run.forgets == 88


def test_single_precision_says_what_it_hides(digits):
    torch.manual_seed(0)
    run = train(perceptron(), descent(0.1), digits, 400, every=100)
    assert run.verdict == SERIES
    assert len(run.shares) in (2, 3)
    assert "Rounding of theta hides orders above" in str(run)
    assert "." in run.table().splitlines()[-1].split()


def test_descent_at_its_edge():
    torch.manual_seed(0)
    inputs, targets = torch.randn(128, 8).double(), torch.randn(128, 1).double()
    layers = nn.Linear(8, 16), nn.SiLU(), nn.Linear(16, 16), nn.SiLU(), nn.Linear(16, 1)
    model = nn.Sequential(*layers).double()
    optimizer = torch.optim.SGD(model.parameters(), 0.2)
    with track(optimizer, every=25) as run:
        for _ in range(600):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(inputs), targets).backward()
            optimizer.step()
    assert run.verdict == EDGE
    assert run.measurements[0].verdict == SERIES


def test_the_step_at_which_an_optimizer_is_counts(digits):
    """Adam knows how many steps it has made: resumed, it is in no transient."""
    torch.manual_seed(0)
    model = perceptron().double()
    optimizer = adam(1e-3)(model.parameters())
    for _ in range(80):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(digits[0]), digits[1]).backward()
        optimizer.step()
    run = train(model, lambda parameters: optimizer, digits, 20, every=20)
    assert [(one.step, one.verdict) for one in run.measurements] == [(100, SERIES)]


@pytest.mark.parametrize("make", [momentum(0.01), adam(1e-3)], ids=["momentum", "Adam"])
@pytest.mark.parametrize("warm", [True, False], ids=["with its state", "without"])
def test_a_resumed_run_goes_on_counting(make, warm, digits):
    """A memory that is loaded is in no transient; one that is not begins there, whatever the step."""
    torch.manual_seed(0)
    model = perceptron().double()
    first = train(model, make, digits, 100, every=20)
    assert first.latest.verdict == SERIES
    saved = first._optimizer.state_dict()

    def resumed(parameters):
        optimizer = make(parameters)
        if warm:
            optimizer.load_state_dict(saved)
        return optimizer

    run = train(model, resumed, digits, 100, every=20, step=100)
    assert [one.step for one in run.measurements] == [120, 140, 160, 180, 200]
    wanted = [SERIES] * 5 if warm else [TRANSIENT] * 4 + [SERIES]
    assert [one.verdict for one in run.measurements] == wanted


def test_a_bad_step_is_refused():
    with pytest.raises(InputError, match="step -1"):
        track(descent(0.1)(perceptron().parameters()), step=-1)


def test_groups_closures_clipping_frozen_and_added_parameters(digits):
    torch.manual_seed(0)
    model, added = perceptron().double(), nn.Parameter(torch.zeros(10, dtype=torch.float64))
    model[0].bias.requires_grad_(False)
    groups = [{"params": model[0].parameters(), "lr": 0.05}, {"params": model[2].parameters()}]
    optimizer = torch.optim.SGD(groups, 0.1)

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(digits[0]) + added, digits[1])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        return loss

    with track(optimizer, every=10) as run:
        for number in range(50):
            if number == 18:  # within what the look after 20 steps takes
                optimizer.add_param_group({"params": [added]})
            optimizer.step(closure)
    assert [one.step for one in run.measurements] == [10, 30, 40, 50]
    assert run.verdict == SERIES
    assert len(run.field()) == 5


def test_the_loops_own_exceptions_pass_and_the_hook_goes(digits):
    torch.manual_seed(0)
    model = perceptron().double()
    optimizer = descent(0.1)(model.parameters())
    run = track(optimizer, order=1, every=5)

    def loop():
        with run:
            for number in range(20):
                if number == 12:
                    raise KeyError("mine")
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(digits[0]), digits[1]).backward()
                optimizer.step()

    with pytest.raises(KeyError, match="mine"):
        loop()
    assert [one.step for one in run.measurements] == [5, 10]
    optimizer.step()
    assert len(run.measurements) == 2


def tanh_loss(parameters):
    hidden = torch.tanh(parameters[0] @ torch.tensor([0.3, -1.0], dtype=torch.float64))
    return (hidden - parameters[1]).square().sum()


def test_exact_terms_beside_the_shares():
    parameters = [nn.Parameter(torch.tensor([[0.5, 1.0], [-0.3, 0.2]]).double()), nn.Parameter(torch.ones(2).double())]
    optimizer = torch.optim.SGD(parameters, 0.05, momentum=0.9)
    with track(optimizer, order=2, every=50, exact=tanh_loss) as run:
        for _ in range(50):
            optimizer.zero_grad()
            tanh_loss(parameters).backward()
            optimizer.step()
    rows = counterterms(tanh_loss, [part.detach() for part in parameters], 2, optimizer="heavy-ball", beta="9/10")
    sizes = [torch.cat([part.flatten() for part in row]).norm().item() for row in rows]
    np.testing.assert_allclose(run.latest.terms, [0.05**n * size / sizes[0] for n, size in enumerate(sizes)], rtol=1e-9)
    assert len(run.latest.to_dict()["terms"]) == 3


def test_exact_terms_that_cannot_be_had_leave_the_shares():
    parameters = [nn.Parameter(torch.ones(2, 2).double()), nn.Parameter(torch.ones(2).double())]
    optimizer = descent(0.05)(parameters)
    with track(optimizer, order=2, every=10, exact=lambda p: nn.functional.dropout(tanh_loss(p))) as run:
        for _ in range(10):
            optimizer.zero_grad()
            tanh_loss(parameters).backward()
            optimizer.step()
    assert run.verdict == SERIES
    assert run.latest.terms == ()
    assert "no exact terms could be had" in str(run)
    assert "random" in run.problems[0]


@pytest.mark.parametrize("make", [descent(0.1), momentum(0.02)], ids=["descent", "momentum"])
@pytest.mark.parametrize("kind", ["cosine", "linear", "warm-up"])
def test_a_schedulers_rates_are_read_and_taken_out(kind, make, digits):
    """The schedule's own share stands apart, and what is left at order 1 is small."""
    factors = {
        "cosine": lambda k: (1 + np.cos(np.pi * k / 201)) / 2,
        "linear": lambda k: (201 - k) / 201,
        "warm-up": lambda k: (k + 1) / 200,
    }
    torch.manual_seed(0)
    scheduler = lambda optimizer: lr_scheduler.LambdaLR(optimizer, factors[kind])  # noqa: E731
    run = train(perceptron().double(), make, digits, 200, order=1, every=5, scheduler=scheduler)
    last = run.latest
    assert last.schedule > (1e-3 if kind == "warm-up" else 0.1)
    assert last.shares[1] < 0.02
    assert run.verdict == SERIES
    if kind == "cosine":
        assert last.schedule == pytest.approx(0.28, abs=0.15)


@pytest.mark.parametrize("kind", ["cosine", "linear"])
@pytest.mark.parametrize(("make", "least", "most"), [(descent(0.1), 0.99, 1.01), (momentum(0.02), 2, 100)])
def test_the_end_of_a_schedule_beside_a_constant_rate(kind, make, least, most, digits):
    """Order 1 is that of steps at the last rate; a memory has seen larger rates, and so has its share."""
    torch.manual_seed(0)
    model, steps, (inputs, labels) = perceptron().double(), 400, digits
    optimizer = make(model.parameters())
    factor = {"cosine": lambda k: (1 + np.cos(np.pi * k / steps)) / 2, "linear": lambda k: 1 - k / steps}[kind]
    (group,), shares, first = optimizer.param_groups, [], optimizer.param_groups[0]["lr"]
    for count, rate in ((steps, factor), (200, lambda k: factor(steps - 1))):
        with track(optimizer, order=1, every=count, step=0) as run:
            for step in range(count):
                group["lr"] = first * rate(step)
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(inputs), labels).backward()
                optimizer.step()
        shares.append(run.latest.shares[1])
        assert run.latest.schedule == 0 or run.latest.schedule > 0.1
    assert least < shares[0] / shares[1] < most


def test_steps_that_a_mean_square_takes_to_forget():
    """By RMSprop's own: its mean of a constant square comes within a hundredth of it."""
    theta = nn.Parameter(torch.zeros(1).double())
    optimizer = torch.optim.RMSprop([theta], 1e-3)
    means = []
    for _ in range(500):
        theta.grad = torch.ones(1).double()
        optimizer.step()
        means.append(float(optimizer.state[theta]["square_avg"]))
    assert track(optimizer).forgets == 1 + next(step for step, mean in enumerate(means) if mean >= 0.99) == 459


def ball(product, steps, make=None, **options):
    """A rule on ½(product θ₀² + Σ small θ_i²), tracked."""
    curvatures = torch.cat([torch.tensor([product]), torch.logspace(-3, -2, 50)]).double()
    theta = nn.Parameter(torch.ones(51).double())
    optimizer = make(theta) if make else torch.optim.SGD([theta], 1.0, **options)
    with track(optimizer, every=20) as run:
        for _ in range(steps):
            optimizer.zero_grad()
            (curvatures * theta.square()).sum().div(2).backward()
            optimizer.step()
    return run


@pytest.mark.parametrize(
    ("share", "options", "threshold"),
    [
        (0.4, {"momentum": 0.9}, 3.8),
        (0.93, {"momentum": 0.9}, 3.8),
        (0.93, {"momentum": 0.9, "nesterov": True}, 3.8 / 2.8),
    ],
)
def test_how_near_the_edge(share, options, threshold):
    """Forty steps on a quadratic, whose largest curvature is known: a transient whose multipliers tell all."""
    one = ball(share * threshold, 40, **options).latest
    assert one.edge == pytest.approx(share, abs=0.02)
    assert one.edge_error < 0.02
    assert one.edge_text.startswith(f"{share:.2f}"[:3])


def warm(kind, **options):
    """Of Adam's family with mean squares of 1 that stay, and a memory that has forgotten its start."""

    def make(theta):
        optimizer = getattr(torch.optim, kind)([theta], 1.0, betas=(0.9, 1 - 1e-7), **options)
        state = {"step": torch.tensor(1e9), "exp_avg": torch.zeros_like(theta), "exp_avg_sq": torch.ones_like(theta)}
        optimizer.state[theta] = state
        return optimizer

    return make


@pytest.mark.parametrize("share", [0.4, 0.93])
@pytest.mark.parametrize(("kind", "options"), [("Adam", {}), ("AdamW", {"weight_decay": 1e-3})])
def test_how_near_the_edge_adam_is(kind, options, share):
    one = ball(share * 38, 40, warm(kind, **options)).latest
    assert one.edge == pytest.approx(share, abs=0.03)


def test_the_threshold_of_another_rule_tells_another_share():
    """A loop of one's own gives the threshold: that of its rule tells the truth and no other does (near −1 all do)."""
    curvatures, (told, wrong) = (
        np.append(np.logspace(-3, -2, 50), 0.4 * 3.8),
        [Tracker(every=20, threshold=edge_threshold(name, beta="9/10")) for name in ("heavy-ball", "nesterov")],
    )
    theta, velocity = np.ones(51), np.zeros(51)
    for step in range(1, 41):
        velocity = 0.9 * velocity + curvatures * theta
        theta = theta - velocity
        told(step, theta)
        wrong(step, theta)
    assert told.latest.edge == pytest.approx(0.4, abs=0.03)
    assert wrong.latest.edge != pytest.approx(0.4, abs=0.03)
    with pytest.raises(InputError, match=r"threshold 3\.8: give eomsym"):
        Tracker(threshold=3.8)


def test_groups_with_decay_and_without_have_one_threshold_made_once(monkeypatch):
    made, make = [], thresholds.edge_threshold
    monkeypatch.setattr(thresholds, "edge_threshold", lambda *a, **k: made.append(a) or make(*a, **k))
    theta, other = nn.Parameter(torch.ones(1).double()), nn.Parameter(torch.ones(50).double())
    optimizer = torch.optim.SGD([{"params": [theta], "weight_decay": 1e-3}, {"params": [other]}], 1.0, momentum=0.9)
    with track(optimizer, every=20) as run:
        for _ in range(60):
            optimizer.zero_grad()
            (0.93 * 3.8 * theta.square().sum() + 0.01 * other.square().sum()).div(2).backward()
            optimizer.step()
    assert run.latest.edge == pytest.approx(0.93, abs=0.03)
    assert len(made) == 2
    assert not run.problems


def test_descent_tells_its_edge_where_the_iterates_alternate_and_nothing_else():
    assert ball(1.99, 40).latest.edge == pytest.approx(0.995, abs=1e-3)
    assert np.isnan(ball(1.0, 40).latest.edge), "control: a direction that is done tells nothing"


def test_groups_of_different_memory_have_no_threshold(digits):
    torch.manual_seed(0)
    model = perceptron().double()
    groups = [{"params": model[0].parameters(), "momentum": 0.5}, {"params": model[2].parameters()}]
    run = train(model, lambda parameters: torch.optim.SGD(groups, 0.1, momentum=0.9), digits, 40)
    assert np.isnan(run.latest.edge)
    assert not run.problems


def test_a_loop_goes_on_whatever_its_rates_are(digits):
    """Rates of zero, of NaN and ones that are no number."""
    torch.manual_seed(0)
    model = perceptron().double()
    optimizer = descent(0.1)(model.parameters())
    with track(optimizer, every=5) as run:
        for number in range(20):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(digits[0]), digits[1]).backward()
            optimizer.param_groups[0]["lr"] = 0.0 if number < 10 else torch.tensor(float("nan")) if number > 17 else 0.1
            optimizer.step()
    assert len(run.measurements) == 4
    assert run.latest.verdict == "not finite"
    assert not run.problems


def test_no_optimizer_is_refused():
    with pytest.raises(InputError, match=r"give a torch\.optim\.Optimizer"):
        track(3)
