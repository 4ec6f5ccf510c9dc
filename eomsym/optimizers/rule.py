"""One step of an optimiser as data, an ``UpdateRule``.

It is a short list of *atoms* (states, gradients at points, images under maps of blocks, stages of implicit methods,
powers of the time that has elapsed, componentwise products, quotients and roots), each given by linear combinations
``Σ coefficient · η^power · atom`` of others.  Trees, numbers, the vector language and generated kernels all read this
one list.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from eomsym.exact_numbers import Coefficient
from eomsym.optimizers.blockwise import Blockwise
from eomsym.optimizers.maps import Map


@dataclass(frozen=True)
class Linear:
    """``Σ coefficient · η^power · atom``; ``terms`` holds (atom, power, coefficient), sorted, none zero."""

    terms: tuple[tuple[int, int, Coefficient], ...]

    def atoms(self, power: int) -> set[int]:
        """The atoms that stand with this power of η."""
        return {atom for atom, exponent, _ in self.terms if exponent == power}

    def coefficient(self, atom: int, power: int = 0) -> Coefficient:
        """The coefficient of ``η^power · atom``; 0 if it does not occur."""
        return next((value for index, exponent, value in self.terms if (index, exponent) == (atom, power)), 0)

    def without(self, atom: int) -> Linear:
        """The combination less ``coefficient · η⁰ · atom``."""
        return Linear(tuple(term for term in self.terms if term[:2] != (atom, 0)))


@dataclass(frozen=True)
class State:
    """A state of the optimiser before the step; state 0 is θ."""

    index: int


@dataclass(frozen=True)
class Gradient:
    """The gradient of field number ``field`` at a point."""

    field: int
    point: Linear


@dataclass(frozen=True)
class Image:
    """The value of a map of blocks at its arguments."""

    map: Map
    arguments: tuple[Linear, ...]


@dataclass(frozen=True)
class Stage:
    """Number ``index`` of the unknowns of an implicit step; ``UpdateRule.stages`` defines it."""

    index: int


@dataclass(frozen=True)
class One:
    """The vector of ones."""


@dataclass(frozen=True)
class Elapsed:
    """``operand · ((start + pace · s) η)^power``, power ≥ 1: what a number that depends on time multiplies it with.

    At step index s a step of the rule is that far from the time at which the Taylor series of the number begins; an
    epoch is a rule of many steps, ``pace``, of which this one is number ``start``.
    """

    operand: Linear
    power: int
    start: int = 0
    pace: int = 1


@dataclass(frozen=True)
class Product:
    """Componentwise product."""

    left: Linear
    right: Linear


@dataclass(frozen=True)
class Quotient:
    """Componentwise quotient."""

    numerator: Linear
    denominator: Linear


@dataclass(frozen=True)
class SquareRoot:
    """Componentwise square root."""

    argument: Linear


#: What a rule is made of.
Atom = State | Gradient | Image | Stage | One | Elapsed | Product | Quotient | SquareRoot


def operands(atom: Atom) -> tuple[Linear, ...]:
    """The combinations that an atom is a function of; a state and a stage are defined by the rule."""
    if isinstance(atom, Image):
        return atom.arguments
    return tuple(part for part in vars(atom).values() if isinstance(part, Linear))


@dataclass(frozen=True)
class UpdateRule:
    """A traced step: ``following[i]`` is state i after the step.

    ``schedule`` lists all atoms but slow states so that each needs, at the same power of η, only those before it.
    """

    atoms: tuple[Atom, ...]
    stages: tuple[Linear, ...]
    following: tuple[Linear, ...]
    schedule: tuple[int, ...]

    def state(self, index: int) -> int:
        """The number of the atom that is state ``index``."""
        return self._places[index]

    @cached_property  # what is kept is not compared, as fields are
    def _places(self) -> dict[int, int]:
        return {atom.index: number for number, atom in enumerate(self.atoms) if isinstance(atom, State)}

    @cached_property
    def slow(self) -> tuple[int, ...]:
        """The states that keep themselves with weight 1 and move by powers of η only: θ first."""
        return tuple(index for index in range(len(self.following)) if self.self_coefficient(index) == 1)

    def moved(self, index: int) -> Linear:
        """``state⁺ − state`` of a slow state; every term has a power of η of at least 1."""
        return self.following[index].without(self.state(index))

    @property
    def linear(self) -> bool:
        """Whether there is nothing componentwise, a map of several vectors, or a group: a series over trees."""
        on_trees = all(isinstance(atom, (State, Gradient, Image, Stage, Elapsed)) for atom in self.atoms)
        return on_trees and not self.grouped and all(len(image.arguments) == 1 for image in self.images)

    @cached_property
    def grouped(self) -> bool:
        """Whether a number differs between groups of parameters."""
        every = (*self.following, *self.stages, *(part for atom in self.atoms for part in operands(atom)))
        return any(isinstance(value, Blockwise) for made in every for *_, value in made.terms)

    @property
    def images(self) -> tuple[Image, ...]:
        """Where it calls maps of blocks."""
        return tuple(atom for atom in self.atoms if isinstance(atom, Image))

    @property
    def unwritten(self) -> str:
        """Why its terms are not written out by symbols; empty where they are."""
        if self.linear or not self.images:
            return ""
        return "it calls maps of blocks, of several vectors or beside componentwise functions"

    @cached_property
    def homogeneous(self) -> bool:
        """Whether each power of η comes with one gradient, so that ``f̃_k`` is over the trees of k + 1 nodes.

        Then every atom has a degree in g, a gradient 1 and θ 0, and in every sum degree less power is the same.
        """
        if self.images:
            return False
        degrees = {self.state(0): 0} | {n: 1 for n, atom in enumerate(self.atoms) if isinstance(atom, Gradient)}
        stages = {atom.index: n for n, atom in enumerate(self.atoms) if isinstance(atom, Stage)}
        sums = [(self.state(index), made) for index, made in enumerate(self.following)]
        sums += [(stages[index], made) for index, made in enumerate(self.stages)]
        sums += [(self.state(0), atom.point) for atom in self.atoms if isinstance(atom, Gradient)]
        for _ in self.atoms:  # each time one atom more is known, or all are that hang together with θ and g
            for whole, made in sums:
                for part, power, _ in made.terms:
                    if whole in degrees:
                        degrees.setdefault(part, degrees[whole] + power)
                    elif part in degrees:
                        degrees[whole] = degrees[part] - power
        known = [(degrees[whole], made) for whole, made in sums if whole in degrees]
        return all(degrees[part] == degree + power for degree, made in known for part, power, _ in made.terms)

    @property
    def evaluations(self) -> int:
        """Gradients evaluated in one step."""
        return sum(isinstance(atom, Gradient) for atom in self.atoms)

    def self_coefficient(self, index: int) -> Coefficient:
        """a in ``state⁺ = a · state + …``."""
        return self.following[index].coefficient(self.state(index))
