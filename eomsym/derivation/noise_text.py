"""What equations under noise say beside their rows: the generator, its symbols, and whether it is a diffusion's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eomsym.notation.operators import derivatives
from eomsym.notation.terms import Row
from eomsym.notation.typesetting import Sides
from eomsym.notation.writing import LatexWriter, SympyWriter, Writer, power_latex, power_text, subscript

#: Blocks of D by pairs of states, of K by triples: a row for each power of h.
Blocks = Mapping[tuple[int, ...], Sequence[Row]]

_CUMULANTS = {1: "mean", 2: "covariance"}
_TENSORS = {2: "D", 3: "K"}
_LAW = {2: "1/2 D:∂²", 3: "1/6 K:∂³"}
_LAW_LATEX = {2: r"\tfrac{1}{2} D : \partial^{2}", 3: r"\tfrac{1}{6} K : \partial^{3}"}
_NO_DIFFUSION = "𝓛 is no diffusion's, and no stochastic differential equation has it."


def cumulant_names(writer: Writer, highest: int) -> list[Sides]:
    """The cumulants of a batch's gradient and what they are called."""
    return [(writer.cumulant(n), _CUMULANTS.get(n, f"cumulant {n}")) for n in range(1, highest + 1)]


def generator_meanings(order: int) -> list[Sides]:
    """What the symbols of a generator of descent mean, in LaTeX."""
    return [
        ("", r"\text{$E\,\varphi(\theta_k) = \exp(k \eta \mathcal{L})\, \varphi$ after $k$ steps}"),
        *_cumulant_meanings(order + 1),
        ("", r"\text{$\partial_i$: derivative by $\theta_i$; repeated indices are summed}"),
        (r"\eta", r"\text{learning rate}"),
    ]


def _cumulant_meanings(highest: int) -> list[Sides]:
    names = cumulant_names(LatexWriter(), highest)
    return [(name, rf"\text{{{meaning} of the gradient of a batch}}") for name, meaning in names]


def generator_sentence(rows: Sequence[Row]) -> str:
    """What in a generator of descent differentiates φ more than twice, and what follows."""
    for index, row in enumerate(rows):
        higher = {product: value for product, value in row.items() if derivatives(product) > 2}
        if higher:
            told = f"L_{index} differentiates more than twice, by {Writer().sum(higher)}"
            return f"{told}: where this does not vanish, {_NO_DIFFUSION}"
    return "It differentiates twice at most: the generator of a diffusion."


def mean_fields(powers: int) -> tuple[str, ...]:
    """What g₁, g₂, … are under noise."""
    return ("mean of the batch gradient g", *(f"mean of {power_text('g', n)}" for n in range(2, powers + 1)))


def noise_opening(blocks: Blocks, fields: Sequence[str]) -> list[str]:
    """𝓛 of the whole state, and what the symbols of its rows are."""
    law = " + ".join(["F·∂", *(_LAW[n] for n in _lengths(blocks))])
    if len(fields) > 1:
        means = ", ".join(f"g{subscript(n)} {meaning}" for n, meaning in enumerate(fields, start=1))
        symbols = f"{means}, each a field of its own; Σ covariance of g, Cov(a, b) that of a and b"
    else:
        highest = max(_lengths(blocks), default=1)
        symbols = "of the batch gradient: " + ", ".join(map(" ".join, cumulant_names(Writer(), highest)))
    return [f"E φ(z_n) = exp(nh𝓛) φ,  𝓛 = {law},  all in powers of h: F = F₀ + h F₁ + …", symbols]


def noise_sentence(blocks: Blocks) -> str:
    """Whether a stochastic differential equation has it."""
    if 3 in _lengths(blocks):
        return f"K differentiates three times: where κ₃ does not vanish, {_NO_DIFFUSION}"
    return (
        "It differentiates twice at most: the generator of a diffusion, dz = F dt + dW with D dt the covariance of dW."
    )


def noise_rows(blocks: Blocks, writer: Writer) -> list[Sides]:
    """Name and sum of each row of D and K, in text and for SymPy."""
    found = []
    for states, rows in blocks.items():
        letters, tensor = [writer.states[i] for i in states], _TENSORS[len(states)]
        for k, row in enumerate(rows):
            text = f"{' '.join(letters)}: {tensor}{subscript(k)}"
            name = "_".join([tensor, *letters, str(k)]) if isinstance(writer, SympyWriter) else text
            found += [(name, writer.sum(row))] if row else []
    return found


def noise_sides(blocks: Blocks, writer: Writer) -> list[Sides]:
    """𝓛 in LaTeX, and its blocks of D and K."""
    found = [(r"\mathcal{L}", " + ".join([r"F \cdot \partial", *(_LAW_LATEX[n] for n in _lengths(blocks))]))]
    for states, rows in blocks.items():
        parts = [rf"{power_latex('h', k)}\bigl({writer.sum(row)}\bigr)" for k, row in enumerate(rows) if row]
        upper = r"\,".join(writer.states[i] for i in states)
        found.append((f"{_TENSORS[len(states)]}^{{{upper}}}", " + ".join(parts)))
    return found


def noise_meanings(blocks: Blocks, fields: Sequence[str], told: Sequence[Sides]) -> list[Sides]:
    """What the symbols under noise mean in LaTeX, and what is ``told`` of all others."""
    of_batch: dict[str, Any] = {"g": ("g", r"\text{gradient of a batch's loss}"), "H": ("H_{i}", r"\nabla g_{i}")}
    means = [(f"g_{{{n}}}", rf"\text{{mean over batches of $g^{{{n}}}$}}") for n in range(1, len(fields) + 1)]
    several = len(fields) > 1
    return [
        ("", r"\text{$E\,\varphi(z_n) = \exp(n h \mathcal{L})\, \varphi$ after $n$ steps}"),
        *_cumulant_meanings(max(_lengths(blocks), default=1))[1:],
        *([of_batch.get(sides[0], sides) for sides in told] + means if several else told),
    ]


def _lengths(blocks: Blocks) -> list[int]:
    return sorted({len(states) for states in blocks})
