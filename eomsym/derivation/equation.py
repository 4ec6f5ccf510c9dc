"""``Equation``, the one result of ``derive``: rows of exact coefficients, as text, LaTeX, SymPy, JSON and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from eomsym import optimizers
from eomsym.checks import shown
from eomsym.derivation.wording import GENERATOR, LOSS, SLOW, START, WHOLE, Worded
from eomsym.errors import InputError
from eomsym.notation.coefficients import coefficient_text
from eomsym.notation.operators import derivatives
from eomsym.notation.terms import (
    SYMPY_STYLE,
    ComponentwiseFunction,
    Row,
    Writer,
    term_entries,
)
from eomsym.optimizers.registry import check_one_gradient
from eomsym.trees import Tree

if TYPE_CHECKING:
    import sympy
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Equation(Worded):
    """An equation that was derived: sums of ``coefficient · element``, in powers of a small parameter.

    ``terms[k][i]`` maps elements to exact coefficients (``Fraction``, or elements of a SymPy fraction field where a
    parameter stays a symbol), 1/σ included, for the k-th row of state i; ``rows`` has those of θ.  By ``kind``:

    ``slow``: ``θ̇ = −rows[0] − η Σ_k η^k ξ_k`` with ``ξ_k = rows[k + 1]``.  Where it is ``plain`` the elements are
    rooted trees of one gradient, row k has every one with k + 1 nodes in canonical order, zeros included; else they are
    coloured trees or monomials, what is zero left out.  ``fields`` says what ``g_1``, ``g_2``, … are of, ``functions``
    defines componentwise functions of g; ``schedule`` has the symbols of what depends on time, whose m-th derivative is
    the symbol with ``_dm`` behind it.  ``start`` is the start of its flow, if it was derived too.
    ``start``: ``θ̂_0 = θ_0 + Σ_k η^k c_k``, ``c_k = rows[k − 1]``; leaf −i is what number i of the ``memory`` starts as.
    ``whole``: ``ż = Σ_k h^k F_k`` of z = (θ, ``memory``), ``η = h^power``, time nh, ``β = 1 − γh`` for each pair in
    ``shares``; leaf −i is state i.  With ``power`` 2 a memory is h times the optimiser's.
    ``generator``: ``𝓛 = Σ_k η^k L_k`` of expectations; elements are products of cumulants (``notation.operators``).
    ``loss``: ``L̃ = Σ_k η^k rows[k]``, a tree standing for the contraction ``S_π`` of derivatives of L along it; the
    equation of motion is ``θ̇ = −∇L̃ − Σ_k η^k rest[k]``.  Where a rule divides componentwise it is ``−P ∇L̃``, P in
    ``factor``, and a monomial stands for the sum over all components of the function of g whose derivative it is.
    """

    kind: str
    optimizer: str
    parameters: Mapping[str, Fraction]
    order: int
    terms: Sequence[Sequence[Row]]
    plain: bool = False
    memory: tuple[str, ...] = ()
    fields: tuple[str, ...] = ("gradient of the loss",)
    functions: tuple[ComponentwiseFunction, ...] = ()
    schedule: tuple[str, ...] = ()
    power: int = 1
    shares: tuple[tuple[str, str], ...] = ()
    start: Equation | None = None
    rest: Sequence[Row] = ()
    factor: Row = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Everything is read-only."""
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        object.__setattr__(self, "terms", tuple(tuple(map(_frozen, level)) for level in self.terms))
        object.__setattr__(self, "rest", tuple(map(_frozen, self.rest)))

    @property
    def is_gradient(self) -> tuple[bool, ...]:
        """Of a loss, for each power of η whether its term of the motion is a gradient for every loss."""
        return tuple(not row for row in self.rest)

    @property
    def is_diffusion(self) -> bool:
        """Of a generator, whether φ is differentiated twice at most: then a stochastic equation has it."""
        return all(derivatives(product) <= 2 for row in self.rows for product in row)

    def records(self) -> list[dict[str, Any]]:
        """One row a term: trees as bracket lists, others as SymPy reads them; before ξ_0 the index is None."""
        writer, states = self._writer(SYMPY_STYLE), ("theta", *self.memory)
        first = {SLOW: -1, START: 1}.get(self.kind, 0)
        return [
            {"index": k if k >= 0 else None, **({"state": state} if self.kind == WHOLE else {}), **entry}
            for k, level in enumerate(self.terms, start=first)
            for state, row in zip(states, level, strict=False)
            for entry in (self._entries(row) if self.kind != GENERATOR else _told(row, writer))
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, exact numbers as text; ``Equation.from_json`` reads them back from ``to_json``."""
        head: dict[str, Any] = {
            "optimizer": self.optimizer,
            "parameters": {name: str(value) for name, value in self.parameters.items()},
            "order": self.order,
        }
        definitions = dict(self._writer(SYMPY_STYLE).definitions())
        match self.kind:
            case "start":
                return {"start": self._indexed}
            case "generator":
                told = {"generator": self._indexed, "diffusion": self.is_diffusion}
                return {"optimizer": self.optimizer, "noise": True, "order": self.order, **told}
            case "loss":
                return self._loss_entries(head)
            case "whole":
                shares = {share: f"1 - {decay}*h" for share, decay in self.shares}
                return {
                    **head,
                    "state": ["theta", *self.memory],
                    "scaling": {"eta": f"h^{self.power}", **shares},
                    "functions": definitions,
                    "terms": [
                        {"index": k, "fields": list(map(self._entries, row))} for k, row in enumerate(self.terms)
                    ],
                }
        if self.plain:
            first: dict[str, Any] = {"gradient_coefficient": self._leading(self._writer(SYMPY_STYLE))[1]}
        else:
            first = {"fields": list(self.fields), "functions": definitions, "leading": self._entries(self.rows[0])}
        schedule = {"schedule": list(self.schedule)} if self.schedule else {}
        return {
            **head,
            **first,
            "counterterms": self._indexed,
            **schedule,
            **(self.start.to_dict() if self.start else {}),
        }

    @property
    def _indexed(self) -> list[dict[str, Any]]:
        return [{"index": k, "terms": self._entries(row)} for k, row in self._numbered.items()]

    def _entries(self, row: Row) -> list[dict[str, Any]]:
        return term_entries(row, self._writer(SYMPY_STYLE), colours=not self.plain)

    def _loss_entries(self, head: dict[str, Any]) -> dict[str, Any]:
        writer = self._writer(SYMPY_STYLE)

        def written(row: Row) -> list[tuple[str, str, str]]:
            return [
                ("tree", basis.brackets(colours=True), str(value))
                if isinstance(basis, Tree)
                else ("term", writer.basis(basis), str(value))
                for basis, value in row.items()
            ]

        levels = [[{kind: name, "coefficient": value} for kind, name, value in written(row)] for row in self.rows]
        rest = [{name: value for _, name, value in written(row)} for row in self.rest]
        told = {"levels": levels, "rest": rest, "fields": len(self.fields)}
        if self.factor:
            told |= {"functions": dict(writer.definitions()), "factor": self._entries(self.factor)}
        return {"optimizer": head["optimizer"], "parameters": head["parameters"], **told}

    @classmethod
    def from_json(cls, text: str) -> Equation:
        """The equation that ``to_json`` wrote.  Raises ``InputError`` for anything else, a start alone among them."""
        return _read(text, {})

    def __reduce__(self) -> tuple[object, tuple[Any, ...]]:
        head = {name: getattr(self, name) for name in ("optimizer", "order")}  # what JSON of a start alone tells not
        return _read, (self.to_json(), head | {"parameters": dict(self.parameters)} if self.kind == START else {})

    def to_sympy(
        self,
        loss: sympy.Expr | Sequence[sympy.Expr],
        variables: Sequence[sympy.Symbol],
        memory: Sequence[Sequence[sympy.Expr]] = (),
    ) -> list[Any]:
        """The rows for a concrete loss (one a field), as columns of exact expressions in the order of ``variables``.

        Of the slow manifold ``[rows[0], ξ_0, ξ_1, …]``; of the whole state lists of a column a state, ``memory`` having
        the other states' components.  Not simplified; ``sympy.expand`` or ``sympy.factor`` the entries as needed.
        Other symbols in the loss are constants.  Raises ``InputError`` for what is no SymPy expression (text is not
        read), variables that are not distinct symbols, and equations that are of no loss.
        """
        import sympy

        from eomsym.notation.sympy import check_variables

        losses: Any = [loss] if isinstance(loss, (sympy.Expr, str)) or not isinstance(loss, Sequence) else loss
        if len(self.fields) == 1:
            check_one_gradient(optimizers.get(self.optimizer), self.parameters)
        for one in losses:
            if not isinstance(one, sympy.Expr):
                raise InputError(
                    f"loss {shown(one)}: not a SymPy expression but {type(one).__name__}; build it from symbols"
                )
        names = check_variables(variables)
        gradients = [[one.diff(name) for name in names] for one in losses]
        return self._columns(losses[0], gradients, names, memory)

    def at_fields(
        self,
        gradients: Sequence[Sequence[sympy.Expr]],
        variables: Sequence[sympy.Symbol],
        memory: Sequence[Sequence[sympy.Expr]] = (),
    ) -> list[Any]:
        """``to_sympy`` for vector fields in place of the gradients g, or ``g_1``, ``g_2``, …, as in games."""
        from eomsym.notation.sympy import check_field, check_variables

        names = check_variables(variables)
        fields = [check_field(field, names) for field in gradients]
        return self._columns(fields[0], fields, names, memory)

    def _columns(
        self,
        model: sympy.Expr | Sequence[sympy.Expr],
        gradients: Sequence[Sequence[sympy.Expr]],
        variables: Sequence[sympy.Symbol],
        memory: Sequence[Sequence[sympy.Expr]],
    ) -> list[Any]:
        """By power series where ``model``, a loss or a field, is one that they suit."""
        from eomsym.derivation.polynomial_ring import series_columns
        from eomsym.notation.sympy import columns_of_rows

        if self.kind in (GENERATOR, LOSS):
            raise InputError(f"{self.kind}: is not written out for a loss; take the equation of motion")
        if len(gradients) != len(self.fields):
            raise InputError(
                f"losses: {len(gradients)} given, {self.optimizer} has {len(self.fields)}; give one for each"
            )
        self.check_plain_start()
        if self.plain and self.kind == SLOW and self.optimizer == "gradient-descent":
            quick = series_columns(model, variables, self.order)
            if quick is not None:
                return quick
        columns = [
            columns_of_rows([level[i] for level in self.terms], gradients, variables, self.functions, memory)
            for i in range(len(self.terms[0]) if self.terms else 1)
        ]
        return [list(level) for level in zip(*columns, strict=True)] if self.kind == WHOLE else columns[0]

    def check_plain_start(self) -> None:
        """Raises ``InputError`` for a start with trees over more than one g: a field's number, or a memory's start."""
        if self.kind != START:
            return
        for tree in (tree for row in self.rows for tree in row if not tree.is_plain):
            raise InputError(
                f"start: its tree {tree} is over more than one g; eomsym.dynamics.shadow_start(kernel, theta, eta, "
                "order) has its numbers"
            )

    def plot(self, columns: int = 10) -> Figure:
        """The trees with their coefficients (``eomsym.derivation.figures.tree_figure``)."""
        from eomsym.derivation.figures import tree_figure

        return tree_figure(self, columns)


def _read(text: str, head: Mapping[str, Any]) -> Equation:
    from eomsym.derivation.reading import check_same, parsed

    data, told = parsed(text, head)
    start = told.pop("start", None)
    equation = Equation(**told, start=None if start is None else Equation(**start))
    check_same(data, equation.to_dict())
    return equation


def _told(row: Row, writer: Writer) -> list[dict[str, str]]:
    return [{"term": writer.basis(basis), "coefficient": coefficient_text(value)} for basis, value in row.items()]


def _frozen(row: Row) -> Row:
    return MappingProxyType(dict(row))
