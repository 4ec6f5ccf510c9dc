"""What Muon descends: its equation of motion to first order, against runs, and how large its term is at usual rates."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.integrate import solve_ivp

from benchmarks.reproductions.pages import Numbers
from eomsym import derive
from eomsym.blocks import Blocks
from eomsym.drawing import line_style, panels
from eomsym.optimizers import chosen
from eomsym.optimizers.matrix_rules import newton_schulz

LAYERS, SAMPLES, TIME = (4, 5, 3), 20, 0.04
#: Steps of the coarsest run, and halvings of the step size; with memory the term is larger, and the steps smaller.
BETAS, STEPS, HALVINGS = ("0", "1/2", "9/10"), {"0": 20, "1/2": 40, "9/10": 320}, 3
RATE, BETA, RUN, WIDTH, TOKENS = 0.02, "19/20", 50, 32, 24
#: Steps until the memory's start is forgotten, and how often the start is moved so that the run then is at its place.
SETTLED, CORRECTED = {"0": 0, "1/2": 60, "9/10": 400}, 4
FLOWS = ("order 0", "order 1", "half a step", "the average's factor")


class Problem(NamedTuple):
    """A loss of matrices as one vector: its gradient, Hessian times a vector, and Muon's map."""

    gradient: Callable[[np.ndarray], np.ndarray]
    turned: Callable[[np.ndarray, np.ndarray], np.ndarray]
    polar: Callable[[np.ndarray], np.ndarray]
    start: np.ndarray


def posed(loss: Callable[[list[torch.Tensor]], torch.Tensor], shapes: tuple[tuple[int, ...], ...]) -> Problem:
    """A loss of some matrices, by PyTorch in float64."""
    blocks = Blocks(shapes)
    image = newton_schulz(5, 0, True, 0, False, False)

    def flat(theta: torch.Tensor) -> torch.Tensor:
        return loss(blocks.split(theta))

    def slope(theta: torch.Tensor) -> torch.Tensor:
        return torch.func.grad(flat)(theta)

    def of_numpy(function: Callable[..., torch.Tensor]) -> Callable[..., np.ndarray]:
        return lambda *vectors: function(*map(torch.from_numpy, vectors)).numpy()

    generator = np.random.default_rng(1)
    start = np.concatenate([generator.normal(size=shape).ravel() / shape[-1] ** 0.5 for shape in shapes])
    turned = of_numpy(lambda theta, along: torch.func.grad(lambda at: (slope(at) * along).sum())(theta))
    return Problem(of_numpy(slope), turned, lambda g: image.of_vectors([g], blocks), start)


def network() -> Problem:
    """Two layers of tanh without biases, mean of half the squared distance."""
    generator = np.random.default_rng(0)
    inputs, targets = (torch.tensor(generator.normal(size=(SAMPLES, width))) for width in (LAYERS[0], LAYERS[-1]))

    def loss(matrices: list[torch.Tensor]) -> torch.Tensor:
        return ((torch.tanh(inputs @ matrices[0].T) @ matrices[1].T - targets) ** 2).sum(dim=1).mean() / 2

    return posed(loss, (LAYERS[1::-1], LAYERS[:0:-1]))


def transformer() -> Problem:
    """One block, attention and a layer of tanh, that predicts the next of some tokens: matrices alone."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, WIDTH, (8, TOKENS), generator=generator)
    embedded = torch.randn(WIDTH, WIDTH, generator=generator, dtype=torch.float64)
    mask = torch.full((TOKENS - 1, TOKENS - 1), -torch.inf, dtype=torch.float64).triu(1)

    def loss(matrices: list[torch.Tensor]) -> torch.Tensor:
        query, key, value, inner, outer = matrices
        seen = embedded[tokens[:, :-1]]
        scores = (seen @ query.T) @ (seen @ key.T).mT / WIDTH**0.5
        mixed = seen + torch.softmax(scores + mask, -1) @ (seen @ value.T)
        made = mixed + torch.tanh(mixed @ inner.T) @ outer.T
        return -torch.log_softmax(made @ embedded.T / WIDTH**0.5, -1).gather(-1, tokens[:, 1:, None]).mean()

    square = (WIDTH, WIDTH)
    return posed(loss, (square, square, square, (2 * WIDTH, WIDTH), (WIDTH, 2 * WIDTH)))


def factor(beta: str, nesterov: bool) -> Fraction:
    """κ: the coefficient of ``P'(g'(P))``."""
    (value,) = derive("muon" if nesterov else "muon(nesterov=no)", 1, beta=beta).rows[1].values()
    return Fraction(value)


def steps_of(problem: Problem, beta: str) -> Callable[[tuple[Any, ...], float], tuple[Any, ...]]:
    """Muon's step with Nesterov's look ahead, as the library has it."""
    kept = float(Fraction(beta))

    def step(state: tuple[Any, ...], eta: float) -> tuple[Any, ...]:
        theta, mean = state
        g = problem.gradient(theta)
        mean = kept * mean + (1 - kept) * g
        return theta - eta * problem.polar(kept * mean + (1 - kept) * g), mean

    return step


def settled(problem: Problem, step: Callable[..., tuple[Any, ...]], eta: float, steps: int) -> tuple[Any, ...]:
    """A state on the slow manifold over the start: from where a run comes there when its memory has settled."""
    begin = problem.start
    for _ in range(CORRECTED if steps else 1):
        state: tuple[Any, ...] = (begin, problem.gradient(begin))
        for _ in range(steps):
            state = step(state, eta)
        begin = begin + problem.start - state[0]
    return state


def flow(problem: Problem, start: np.ndarray, eta: float, share: float, time: float) -> np.ndarray:
    """Where ``θ̇ = −P(g + share η H P(g))`` leads."""

    def rate(_: float, theta: np.ndarray) -> np.ndarray:
        g = problem.gradient(theta)
        if share == 0:
            return -problem.polar(g)
        return -problem.polar(g + share * eta * problem.turned(theta, problem.polar(g)))

    return np.asarray(solve_ivp(rate, (0, time), start, "DOP853", rtol=1e-11, atol=1e-13).y[:, -1])


def distances(problem: Problem, beta: str) -> list[dict[str, Any]]:
    """Of runs from the slow manifold to each flow, for halved step sizes; with the slopes of the last halving."""
    kappa, average, step = float(factor(beta, True)), float(factor(beta, False)), steps_of(problem, beta)
    shares = dict(zip(FLOWS, (0.0, kappa, 0.5, average), strict=True))
    rows = []
    for halving in range(HALVINGS):
        count = STEPS[beta] * 2**halving
        eta = TIME / count
        state = settled(problem, step, eta, SETTLED[beta])
        start = state[0]
        for _ in range(count):
            state = step(state, eta)
        ends = {name: flow(problem, start, eta, share, TIME) for name, share in shares.items()}
        errors = {name: float(np.linalg.norm(end - state[0])) for name, end in ends.items()}
        rows.append({"eta": eta, "errors": errors})
    slopes = {name: float(np.log2(rows[-2]["errors"][name] / rows[-1]["errors"][name])) for name in FLOWS}
    return [{"beta": float(Fraction(beta)), "kappa": kappa, "average": average, "slopes": slopes, "rows": rows}]


def asymmetry(polar: Callable[[np.ndarray], np.ndarray], matrix: np.ndarray) -> float:
    """‖J − Jᵀ‖/‖J‖ of a map of matrices, by central differences."""
    reach, columns = 1e-5, []
    for place in range(matrix.size):
        move = np.zeros(matrix.size)
        move[place] = reach
        move = move.reshape(matrix.shape)
        columns.append((polar(matrix + move) - polar(matrix - move)).ravel() / (2 * reach))
    jacobian = np.array(columns).T
    return float(np.linalg.norm(jacobian - jacobian.T) / np.linalg.norm(jacobian))


def exact_polar(matrix: np.ndarray) -> np.ndarray:
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return np.asarray(left @ right)


def usual(problem: Problem) -> list[dict[str, float]]:
    """Along a run at the rate that people use: how large κη H P(g) is beside g."""
    kappa, step = float(factor(BETA, True)), steps_of(problem, BETA)
    state, rows = (problem.start, 0 * problem.start), []
    for number in range(RUN):
        g = problem.gradient(state[0])
        term = kappa * RATE * problem.turned(state[0], problem.polar(g))
        rows.append({"step": number, "share": float(np.linalg.norm(term) / np.linalg.norm(g))})
        state = step(state, RATE)
    return rows


def measure(progress: Callable[[int, int], None]) -> Numbers:
    """All numbers of the page."""
    problem, found = network(), []
    for number, beta in enumerate(BETAS):
        progress(number, len(BETAS) + 1)
        found += distances(problem, beta)
    matrix = np.random.default_rng(0).normal(size=(4, 3))
    image = newton_schulz(5, 0, False, 0, False, False).function
    return {
        "network": "-".join(map(str, LAYERS)) + " tanh",
        "time": TIME,
        "betas": found,
        "exact": asymmetry(exact_polar, matrix),
        "iterated": asymmetry(image, matrix),
        "rate": RATE,
        "beta": float(Fraction(BETA)),
        "kappa": float(factor(BETA, True)),
        "parameters": transformer().start.size,
        "usual": usual(transformer()),
        "values": {name: str(value) for name, value in chosen("torch.Muon()")[1].items()},
        "equation": derive("muon", 2).text(),
    }


def draw(numbers: Numbers) -> Figure:
    figure, (left, right) = panels(10, 4.2, 2)
    for number, name in enumerate(FLOWS):
        colour, marker = line_style(number)
        rows = numbers["betas"][-1]["rows"]
        errors = [row["errors"][name] for row in rows]
        left.plot([row["eta"] for row in rows], errors, color=colour, marker=marker, label=name)
    beta = numbers["betas"][-1]["beta"]
    left.set(xscale="log", yscale="log", xlabel="η", title=f"distance of Muon's run to each flow, β = {beta:g}")
    left.legend(frameon=False, fontsize=8)
    usual_rows = numbers["usual"]
    right.plot([row["step"] for row in usual_rows], [row["share"] for row in usual_rows], color=line_style(0)[0])
    right.axhline(1, color="black", lw=0.5)
    title = f"‖κηHP(g)‖/‖g‖, a transformer at η = {numbers['rate']:g}"
    right.set(xlabel="step", yscale="log", title=title)
    return figure
