"""Real ``torch.optim`` objects with groups: their steps, their counter terms and what is refused."""

from fractions import Fraction

import grouped_adamw as by_hand
import numpy as np
import pytest
from scipy.integrate import solve_ivp

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

import eomsym  # noqa: E402
from eomsym.errors import InputError  # noqa: E402
from eomsym.torch import Corrected, counterterms, track  # noqa: E402

INPUTS, TARGETS = torch.tensor(by_hand.INPUTS), torch.tensor(by_hand.TARGETS)


def network():
    made = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).double()
    with torch.no_grad():
        for part, (matrix, bias) in zip(made[::2], by_hand.MODEL.split(by_hand.THETA), strict=True):
            part.weight.copy_(torch.tensor(matrix.T))
            part.bias.copy_(torch.tensor(bias))
    return made


def loss(params):
    hidden = torch.tanh(functional.linear(INPUTS, params["0.weight"], params["0.bias"]))
    return functional.cross_entropy(functional.linear(hidden, params["2.weight"], params["2.bias"]), TARGETS)


def two_groups(kind, weights, biases, **common):
    """Weights, and biases, with options of their own; the groups are not in the order of the parameters."""
    module = network()
    parts = dict(module.named_parameters())
    groups = [
        {"params": [parts["2.bias"], parts["0.bias"]], **biases},
        {"params": [parts["0.weight"], parts["2.weight"]], **weights},
    ]
    return module, kind(groups, **common)


def flat(parts):
    return torch.cat([part.detach().reshape(-1) for part in parts]).numpy().copy()


def as_theta(row):
    return np.concatenate([(row[name].T if "weight" in name else row[name]).reshape(-1) for name in by_hand.TABLE])


def training(module, optimizer):
    return eomsym.Training((module, nn.CrossEntropyLoss()), (by_hand.INPUTS, by_hand.TARGETS), optimizer)


def test_rows_of_an_object_against_iterates_in_many_digits():
    module = network()
    groups = [
        {
            "params": [part],
            "betas": (float(Fraction(beta1)), float(Fraction(beta2))),
            "eps": float(Fraction(epsilon)),
            "weight_decay": float(Fraction(decay)),
            "lr": 0.02 * float(Fraction(factor)),
        }
        for (beta1, beta2, epsilon, decay, factor), part in zip(
            by_hand.TABLE.values(), module.parameters(), strict=True
        )
    ]
    rows = counterterms(loss, dict(module.named_parameters()), 2, optimizer=torch.optim.AdamW(groups))
    wanted = by_hand.rows_by_iterates()
    for order, (row, truth) in enumerate(zip(rows, wanted, strict=True)):
        found = as_theta(row) * 1.5 ** (order + 1)  # in units of the largest rate, 3/2 of that by hand
        assert np.linalg.norm(found - truth) < 1e-8 * np.linalg.norm(truth)
    for options in ({"groups": by_hand.GROUPS, **by_hand.COMMON}, {"groups": None, **by_hand.COMMON}):
        named = counterterms(loss, dict(module.named_parameters()), 2, optimizer="adamw", **options)
        errors = [np.linalg.norm(as_theta(row) - truth) for row, truth in zip(named, wanted, strict=True)]
        close = [error < 1e-11 * np.linalg.norm(truth) for error, truth in zip(errors, wanted, strict=True)]
        assert all(close) if options["groups"] else not any(close)


OBJECTS = {
    "AdamW": (torch.optim.AdamW, {"weight_decay": 0.01, "lr": 0.01}, {"weight_decay": 0.0, "lr": 0.02}, {}),
    "AdamW betas": (
        torch.optim.AdamW,
        {"betas": (0.9, 0.95), "eps": 1e-3},
        {"betas": (0.5, 0.8), "weight_decay": 0.0},
        {"lr": 0.01},
    ),
    "Adam frozen": (torch.optim.Adam, {"lr": 0.0, "weight_decay": 0.1}, {"lr": 0.02}, {}),
    "SGD": (
        torch.optim.SGD,
        {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1},
        {"momentum": 0.0, "dampening": 0.5},
        {"lr": 0.05},
    ),
    "SGD Nesterov": (
        torch.optim.SGD,
        {},
        {"momentum": 0.5, "lr": 0.01},
        {"lr": 0.05, "momentum": 0.9, "nesterov": True},
    ),
    "RMSprop": (torch.optim.RMSprop, {"momentum": 0.9, "alpha": 0.9}, {"momentum": 0.0, "eps": 1e-2}, {"lr": 0.01}),
    "Adagrad": (torch.optim.Adagrad, {"lr_decay": 0.1}, {"lr": 0.05, "initial_accumulator_value": 0.2}, {"lr": 0.02}),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_the_rule_is_the_object_step_for_step(name):
    kind, weights, biases, common = OBJECTS[name]
    module, optimizer = two_groups(kind, weights, biases, **common)
    asked = training(module, optimizer)
    (entry, values), eta = asked.rule, asked.eta
    assert eta == max(group["lr"] for group in optimizer.param_groups)
    numbers = {key: float(value) for key, value in values.items()}
    kernel = asked.own.kernel

    def gradient(point, field=0):
        return kernel.gradient(point)

    state = entry.initial_state(kernel.theta, gradient, **numbers)
    plain, begun = kernel.theta, kernel.theta
    for _ in range(25):
        optimizer.zero_grad()
        functional.cross_entropy(module(INPUTS), TARGETS).backward()
        optimizer.step()
        state = entry.run(gradient, state, eta, **numbers)
        np.testing.assert_allclose(state[0], flat(module.parameters()), rtol=0, atol=3e-15)
        plain = plain - eta * gradient(plain)
    assert np.abs(state[0] - begun).max() > 1e-2
    if "frozen" in name:
        np.testing.assert_array_equal(state[0][:6], begun[:6])


def test_errors_fall_with_the_order_and_without_groups_they_do_not():
    options = {"betas": (0.5, 0.6), "eps": 0.1}
    module, optimizer = two_groups(
        torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}, {"lr": 0.02, "betas": (0.3, 0.5), "weight_decay": 0.0},
        **options,
    )  # fmt: skip
    asked = training(module, optimizer)
    found = eomsym.verify(asked, range(3), state="slow", etas=[0.01, 0.005, 0.0025])
    assert [round(record.slope) for record in found.orders] == [1, 2, 3]
    assert all(abs(record.slope - record.order - 1) < 0.1 for record in found.orders)
    followed = eomsym.follow(asked, 10, range(3))
    assert followed.errors[0] > 3 * followed.errors[1] > 3 * followed.errors[2]
    alike = training(*two_groups(torch.optim.AdamW, {}, {}, lr=0.02, weight_decay=0.1, **options))
    run = followed.iterates
    other = eomsym.follow(alike, 10, (2,)).paths[2]
    assert np.linalg.norm(other[-1] - run[-1]) > 0.1 * followed.moved


def test_what_the_object_does_not_step_is_frozen():
    module = network()
    parts = dict(module.named_parameters())
    parts["0.bias"].requires_grad_(False)
    optimizer = torch.optim.AdamW(
        [{"params": [parts["2.weight"], parts["0.bias"]]}, {"params": [parts["2.bias"]], "weight_decay": 0.0}], lr=0.1
    )
    rows = counterterms(loss, parts, 1, optimizer=optimizer)
    for row in rows:
        assert not row["0.bias"].any()
        assert not row["0.weight"].any()
        assert row["2.weight"].all()
    asked = training(module, optimizer)
    assert asked.values["eta_factor[not stepped]"] == 0


@pytest.mark.parametrize(
    ("kind", "weights", "biases", "said"),
    [
        (torch.optim.SGD, {"maximize": True}, {}, "give groups that differ in numbers only"),
        (torch.optim.RMSprop, {"centered": True}, {}, "give groups that differ in numbers only"),
        (torch.optim.Adam, {"amsgrad": True}, {}, "amsgrad = True is refused"),
        (torch.optim.SGD, {"nesterov": True, "momentum": 0.9}, {"momentum": 0.5}, "differ in numbers only"),
    ],
)
def test_groups_of_several_kinds_are_refused(kind, weights, biases, said):
    module, optimizer = two_groups(kind, weights, biases, lr=0.1)
    with pytest.raises(InputError, match=said):
        counterterms(loss, dict(module.named_parameters()), 1, optimizer=optimizer)


def test_an_object_of_other_parameters_and_groups_beside_an_object_are_refused():
    _, optimizer = two_groups(torch.optim.AdamW, {"weight_decay": 0.1}, {})
    copies = dict(network().named_parameters())  # known by their shapes, which are all different
    own = two_groups(torch.optim.AdamW, {"weight_decay": 0.1}, {})
    rows = [
        counterterms(loss, parts, 1, optimizer=one)
        for parts, one in ((copies, optimizer), (dict(own[0].named_parameters()), own[1]))
    ]
    for row, other in zip(*rows, strict=True):
        assert all(torch.equal(row[name], other[name]) for name in row)
    square = [torch.nn.Parameter(torch.ones(2, 2).double()) for _ in range(2)]
    strange = torch.optim.AdamW([{"params": square[:1], "weight_decay": 0.1}, {"params": square[1:]}])
    for params in ([torch.ones(2, 2).double() for _ in range(2)], copies):
        with pytest.raises(InputError, match="the optimizer's parameters are other arrays"):
            counterterms(lambda parts: sum(part.sum() ** 2 for part in parts), params, 1, optimizer=strange)
    alike = torch.optim.AdamW(square, weight_decay=0.1)
    counterterms(loss, copies, 1, optimizer=alike)  # one rule for all serves any arrays
    module, own = two_groups(torch.optim.AdamW, {"weight_decay": 0.1}, {})
    with pytest.raises(InputError, match="groups"):
        counterterms(loss, dict(module.named_parameters()), 1, optimizer=own, groups={"*bias": {"decay": 0}})
    with pytest.raises(InputError, match="groups: beside a real optimizer"):
        eomsym.Training(
            (module, nn.CrossEntropyLoss()), (by_hand.INPUTS, by_hand.TARGETS), own, groups={"*bias": {"decay": 0}}
        )


def test_exact_terms_of_the_tracker_have_the_groups():
    options = {"betas": (0.5, 0.6), "eps": 0.1}
    module, optimizer = two_groups(
        torch.optim.AdamW, {"weight_decay": 0.1, "lr": 0.01}, {"weight_decay": 0.0, "lr": 0.02}, **options
    )
    names = ["2.bias", "0.bias", "0.weight", "2.weight"]
    module[0].bias.requires_grad_(False)
    with track(optimizer, order=2, every=40, exact=lambda parts: loss(dict(zip(names, parts, strict=True)))) as run:
        for _ in range(40):
            optimizer.zero_grad()
            functional.cross_entropy(module(INPUTS), TARGETS).backward()
            optimizer.step()
    rows = counterterms(
        loss, dict(module.named_parameters()), 2, optimizer="adamw", beta1=0.5, beta2=0.6, epsilon=0.1, decay=0,
        groups={"*weight": {"decay": 0.1, "eta_factor": 0.5}},
    )  # fmt: skip
    sizes = [np.linalg.norm(as_theta(row)) for row in rows]
    np.testing.assert_allclose(run.latest.terms, [0.02**n * size / sizes[0] for n, size in enumerate(sizes)], rtol=1e-9)


def test_corrected_steps_follow_the_flow_of_all_groups():
    """Each group at its own rate: θ̇ = −R g, R the diagonal matrix of rates over the largest."""
    factors = torch.cat([torch.full((part.numel(),), 0.5 if part.ndim > 1 else 1.0) for part in network().parameters()])

    def field(_, theta):
        parts, shapes = torch.from_numpy(theta).split([6, 3, 6, 2]), [(3, 2), (3,), (2, 3), (2,)]
        parts = [part.reshape(shape).requires_grad_(True) for part, shape in zip(parts, shapes, strict=True)]
        found = torch.autograd.grad(loss(dict(zip(by_hand.TABLE, parts, strict=True))), parts)
        return -(factors * torch.cat([part.reshape(-1) for part in found])).numpy()

    start = flat(network().parameters())
    end = solve_ivp(field, (0, 1), start, method="DOP853", rtol=1e-13, atol=1e-15).y[:, -1]
    for order in (0, 1, 2):
        errors = []
        for steps in (20, 40):
            module, optimizer = two_groups(torch.optim.SGD, {"lr": 0.5 / steps}, {"lr": 1 / steps})
            corrected = Corrected(optimizer, order)

            def closure(module=module, optimizer=corrected):
                optimizer.zero_grad()
                value = functional.cross_entropy(module(INPUTS), TARGETS)
                value.backward()
                return value

            for _ in range(steps):
                corrected.step(closure)
            errors.append(np.linalg.norm(flat(module.parameters()) - end))
        assert abs(np.log2(errors[0] / errors[1]) - order - 1) < 0.1
