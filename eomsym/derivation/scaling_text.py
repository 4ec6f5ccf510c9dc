"""What an equation of the whole state says of its scaling: η and shares in powers of h, and units of the memory."""

from __future__ import annotations

from typing import NamedTuple

from eomsym.notation.coefficients import symbol_latex
from eomsym.notation.terms import state_symbols
from eomsym.notation.typesetting import Sides
from eomsym.notation.writing import Writer, power_latex, power_text
from eomsym.optimizers.whole_state import memory_powers


class Scaling(NamedTuple):
    """``η = h^power``, ``β = 1 − γh`` for each pair in ``shares``, and what the memory is called."""

    power: int
    shares: tuple[tuple[str, str], ...]
    memory: tuple[str, ...]


def scaling_text(scaling: Scaling) -> str:
    """One line."""
    letters = state_symbols(scaling.memory)
    shares = ", ".join(f"{share} = 1 − {decay} h" for share, decay in scaling.shares)
    units = "".join(
        f"; {letter} in units of {'h' if power < 0 else '1/h'}"
        for letter, power in zip(letters, memory_powers(scaling.memory, scaling.power), strict=True)
        if power
    )
    scaled = f"η = {power_text('h', scaling.power)}" + (f", {shares}" if shares else "")
    return f"{scaled}; z = (θ, {', '.join(letters)}), time nh{units}"


def scaling_sides(scaling: Scaling, writer: Writer, noise: bool) -> list[Sides]:
    """The same in LaTeX; of a generator of ``noise`` there is no dot."""
    shares = [(symbol_latex(share), f"1 - {symbol_latex(decay)} h") for share, decay in scaling.shares]
    units = [
        ("", rf"\text{{${letter}$ here: $h^{{{power}}}$ times the optimiser's}}".replace("^{1}", ""))
        for letter, power in zip(writer.states[1:], memory_powers(scaling.memory, scaling.power), strict=True)
        if power
    ]
    dot = ("", r"\text{the dot: the derivative by the time $n h$ after $n$ steps}")
    scaled = (r"\eta", power_latex("h", scaling.power).removesuffix(r"\,"))
    return [scaled, *shares, *units, *([] if noise else [dot])]
