"""``Equation``, the one result of ``derive``: rows of exact coefficients, as text, LaTeX, SymPy, JSON and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from eomsym import optimizers
from eomsym.checks import shown
from eomsym.derivation import noise_text
from eomsym.derivation.formula import Formula, meanings
from eomsym.derivation.posing import RATE_SYMBOL
from eomsym.derivation.scaling_text import Scaling, scaling_sides, scaling_text
from eomsym.errors import InputError
from eomsym.notation.coefficients import coefficient_text, primed_latex, primed_text
from eomsym.notation.operators import derivatives
from eomsym.notation.terms import ComponentwiseFunction, Monomial, Row, Vertex
from eomsym.notation.typesetting import Sides
from eomsym.notation.writing import (
    LatexWriter,
    SympyWriter,
    TightWriter,
    Writer,
    power_latex,
    power_text,
    subscript,
)
from eomsym.optimizers.registry import check_one_gradient
from eomsym.trees import Tree, rooted_trees

if TYPE_CHECKING:
    import sympy
    from matplotlib.figure import Figure


#: What an equation is: of the slow manifold, of its start, of the whole state, of expectations, of a modified loss.
SLOW, START, WHOLE, GENERATOR, LOSS = "slow", "start", "whole", "generator", "loss"
RATE_MEANING = r"\text{factor of $\eta$, a function of $\tau = n\eta$ with derivatives $s'$, $s''$}"

_Notation = TypeVar("_Notation", bound=Writer)


@dataclass(frozen=True, repr=False)
class Equation(Formula):
    """An equation that was derived: sums of ``coefficient · element``, in powers of a small parameter.

    ``terms[k][i]`` maps elements to exact coefficients (``Fraction``, or elements of a SymPy fraction field where a
    parameter stays a symbol), 1/σ included, for the k-th row of state i; ``rows`` has those of θ.  By ``kind``:

    ``slow``: ``θ̇ = −rows[0] − η Σ_k η^k ξ_k`` with ``ξ_k = rows[k + 1]``.  Where it is ``plain`` the elements are
    rooted trees of one gradient, row k has every one with k + 1 nodes in canonical order, zeros included; else they are
    coloured trees or monomials, what is zero left out.  ``fields`` says what ``g_1``, ``g_2``, … are of, ``functions``
    defines componentwise functions of g, and ``vertices`` maps of blocks, whose colours follow those of the fields;
    ``schedule`` has the symbols of what depends on time, whose m-th derivative is the symbol with ``_dm`` behind it.
    ``start`` is the start of its flow, if it was derived too.
    ``start``: ``θ̂_0 = θ_0 + Σ_k η^k c_k``, ``c_k = rows[k − 1]``; leaf −i is what number i of the ``memory`` starts as.
    ``whole``: ``ż = Σ_k h^k F_k`` of z = (θ, ``memory``), ``η = h^power``, time nh, ``β = 1 − γh`` for each pair in
    ``shares``; leaf −i is state i.  With ``power`` 2 a memory is h times the optimiser's.  With ``noise`` it is the
    generator ``𝓛 = F·∂ + ½ D:∂² + 1/6 K:∂³`` of expectations: ``noise`` has the blocks of D by pairs of states, a ≤ b,
    and those of K by triples, a row of ``Cumulant`` elements for each power of h.
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
    vertices: tuple[Vertex, ...] = ()
    schedule: tuple[str, ...] = ()
    power: int = 1
    shares: tuple[tuple[str, str], ...] = ()
    start: Equation | None = None
    rest: Sequence[Row] = ()
    factor: Row = field(default_factory=dict)
    noise: noise_text.Blocks | None = None

    def __post_init__(self) -> None:
        """Everything is read-only; where it is ``plain``, every tree is there."""
        listed = [rooted_trees(n) if self.plain else () for n in range(1, len(self.terms) + 1)]
        terms = (tuple(_frozen(row, trees) for row in level) for level, trees in zip(self.terms, listed, strict=True))
        object.__setattr__(self, "terms", tuple(terms))
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        object.__setattr__(self, "rest", tuple(map(_frozen, self.rest)))
        if self.noise is not None:
            blocks = {states: tuple(map(_frozen, rows)) for states, rows in self.noise.items()}
            object.__setattr__(self, "noise", MappingProxyType(blocks))

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of θ, one for each power."""
        return tuple(level[0] for level in self.terms)

    def text(self) -> str:
        """What it is, the definitions, then one line a row, and the start if it was derived.

        Trees come as derived, and terms that are zero stay visible: ``0 g'''(g,g,g)``.
        """
        writer = self.writer(TightWriter if self.plain else Writer)
        if self.kind == LOSS:
            return "\n".join(self._loss_lines(writer))
        lines = [*self._opening(writer), *(f"{name} = {value}" for name, value in self._defined(writer))]
        lines += [f"{one.name}', {one.name}'': derivatives of {one.function} there" for one in self.vertices]
        lines += [self.sentence] if self.kind == GENERATOR or self.noise is not None else []
        text = "\n".join(lines)
        text = primed_text(text) if self.schedule else text
        return text if self.start is None else f"{text}\n{self.start.text()}"

    def equations(self) -> list[Sides]:
        """Left and right sides in LaTeX: g = ∇L, H = ∇g, higher derivatives ∇^m g[…]; then the start."""
        writer = self.writer(LatexWriter)
        match self.kind:
            case "whole":
                noise = [] if self.noise is None else noise_text.noise_sides(self.noise, writer)
                return [*noise[:1], *self._whole_sides(writer), *noise[1:]]
            case "loss":
                return self._loss_sides(writer)
        found = [*self._head(writer), *self._named(writer)]
        if self.schedule:
            return [(left, primed_latex(right)) for left, right in found]
        return [*found, *(self.start.equations() if self.start else [])]

    def where(self) -> list[Sides]:
        """The update rule, functions that occur, and what the symbols mean."""
        writer = self.writer(LatexWriter)
        match self.kind:
            case "start":
                return []
            case "generator":
                return noise_text.generator_meanings(self.order)
            case "whole":
                defined = [*writer.definitions(), *self._primes(writer)]
                told = meanings(self.optimizer, {}, self.equations(), defined, fading=False)
                if self.noise is not None:
                    told = noise_text.noise_meanings(self.noise, self.fields, told)
                return [*scaling_sides(self._scaling, writer, noise=self.noise is not None), *told]
        defined = [*writer.definitions(), *self._primes(writer), *self._potential(writer)]
        told = meanings(self.optimizer, self.parameters, self.equations(), defined, self.start is None)
        return [*told, *((name, RATE_MEANING) for name in self.schedule if name == RATE_SYMBOL)]

    def _primes(self, writer: Writer) -> list[Sides]:
        """What the primes of vertices mean."""
        names = [(writer.name(one.name), one.function) for one in self.vertices]
        return [
            ("", rf"\text{{${name}'$, ${name}''$, $\dots$: derivatives of {function} there}}")
            for name, function in names
        ]

    def sympy_lines(self) -> str:
        """Lines ``NAME = EXPRESSION`` that SymPy reads, products componentwise, derivatives of g as functions."""
        if self.kind in (GENERATOR, LOSS):
            raise InputError(f"{self.kind}: has no lines for SymPy; take text(), latex() or to_json()")
        writer = self.writer(SympyWriter)
        lines = [f"{name} = {value}" for name, value in self._defined(writer)]
        return "\n".join([*lines, *([self.start.sympy_lines()] if self.start and self.start.terms else [])])

    def writer(self, notation: type[_Notation]) -> _Notation:
        """Returns a writer that knows the names of this equation's fields, functions, states and maps."""
        return notation(len(self.fields), self.functions, self.memory, self.kind == START, self.vertices)

    def _defined(self, writer: Writer) -> list[Sides]:
        """Functions and rows with their names; for SymPy the leading row stands between them."""
        leading = [self._leading(writer)] if self.kind == SLOW and isinstance(writer, SympyWriter) else []
        return [*writer.definitions(), *leading, *self._named(writer)]

    def _leading(self, writer: Writer) -> Sides:
        if self.plain:
            (coefficient,) = self.rows[0].values()
            return "gradient_coefficient", coefficient_text(coefficient)
        return "leading", writer.sum(self.rows[0])

    def _named(self, writer: Writer) -> list[Sides]:
        """Name and sum of each row."""
        if self.kind == WHOLE:
            name = "{}_{}".format if isinstance(writer, SympyWriter) else lambda state, k: f"{state}: F{subscript(k)}"
            drift = [
                (name(state, k), writer.sum(level[i]))
                for i, state in enumerate(writer.states)
                for k, level in enumerate(self.terms)
            ]
            return drift + noise_text.noise_rows(self.noise or {}, writer)
        rows = self._numbered if isinstance(writer, SympyWriter) or self._moves else {}
        return [(writer.indexed(self._letter(writer), k), writer.sum(row)) for k, row in rows.items()]

    @property
    def _numbered(self) -> dict[int, Row]:
        """The rows by the numbers that they have in every notation: ξ_0 is the second, c_1 the first."""
        return {k: row for k, row in enumerate(self.rows, start=self._first) if k >= 0}

    @property
    def _first(self) -> int:
        return {SLOW: -1, START: 1}.get(self.kind, 0)

    @property
    def _moves(self) -> bool:
        """Not a start at θ_0 itself, where all terms are zero."""
        return self.kind != START or any(value != 0 for row in self.rows for value in row.values())

    def _letter(self, writer: Writer) -> str:
        return {START: "c", GENERATOR: "L"}.get(self.kind, writer.xi)

    def _head(self, writer: Writer) -> list[Sides]:
        """What the rows are rows of, in text and LaTeX."""
        latex = isinstance(writer, LatexWriter)
        series = writer.series(self._letter(writer), self._numbered if self._moves else ())
        match self.kind:
            case "start":
                names = (r"\hat{\theta}_{0}", r"\theta_{0}") if latex else ("θ̂_0", "θ_0")
                return [(names[0], " + ".join(filter(None, (names[1], series))))]
            case "generator":
                return [(r"\mathcal{L}" if latex else "E φ(θ_k) = exp(kη𝓛) φ,  𝓛", series)]
        return writer.motion(writer.sum({basis: -value for basis, value in self.rows[0].items()}), self.order)

    def _opening(self, writer: Writer) -> list[str]:
        """What stands in text before definitions and rows."""
        if self.kind == WHOLE:
            series = "".join(f" + {power_text('h', k)} F{subscript(k)}" for k in range(1, self.order + 1))
            if self.noise is not None:
                return [scaling_text(self._scaling), *noise_text.noise_opening(self.noise, self.fields)]
            return [scaling_text(self._scaling), f"ż = F₀{series}"]
        head = [",  ".join(f"{name} = {value}" for name, value in self._head(writer))]
        if self.kind == GENERATOR:
            names = map(" ".join, noise_text.cumulant_names(Writer(), self.order + 1))
            return [*head, f"of the batch gradient: {', '.join(names)}"]
        if self.kind == SLOW and len(self.fields) > 1:
            head += [f"g{subscript(i)}: {meaning}" for i, meaning in enumerate(self.fields, start=1)]
        return head

    @property
    def sentence(self) -> str:
        """Of a generator, what differentiates φ more than twice, and what follows."""
        if self.noise is None:
            return noise_text.generator_sentence(self.rows)
        return noise_text.noise_sentence(self.noise)

    @property
    def _scaling(self) -> Scaling:
        return Scaling(self.power, self.shares, self.memory)

    def _whole_sides(self, writer: Writer) -> list[Sides]:
        """One equation a state; products are componentwise."""
        found = []
        for i, state in enumerate(writer.states):
            sums = [writer.sum(level[i]) for level in self.terms]
            parts = (
                value if k == 0 else rf"{power_latex('h', k)}\bigl({value}\bigr)"
                for k, value in enumerate(sums)
                if value != "0" or len(sums) == 1
            )
            found.append((f"F^{{{state}}}" if self.noise is not None else rf"\dot{{{state}}}", " + ".join(parts)))
        return found

    def _potential(self, writer: Writer) -> list[Sides]:
        """The function of g that is summed in a loss."""
        return [
            writer.antiderivative(basis)
            for row in self.rows
            for basis in row
            if self.factor and isinstance(basis, Monomial)
        ]

    def _descent(self, writer: Writer) -> str:
        """``−∇L̃``, or ``−P ∇L̃``."""
        loss = r"\nabla\tilde{L}" if isinstance(writer, LatexWriter) else "∇L̃"
        scaled = writer.sum({basis: -value for basis, value in self.factor.items()})
        return f"{scaled}{writer.times}{loss}" if self.factor else f"{writer.minus}{loss}"

    def _loss_lines(self, writer: Writer) -> Iterable[str]:
        if self.factor:
            yield f"θ̇ = {self._descent(writer)}"
            yield from (f"{name} = {value}" for name, value in [*writer.definitions(), *self._potential(writer)])
        for k, (row, left_over) in enumerate(zip(self.rows, self.rest, strict=True)):
            yield f"{power_text('η', k) if k else 'L̃_0'}: {writer.losses(row)}"
            if left_over:
                yield f"   not a gradient for every loss; beside it stays {writer.sum(left_over)}"

    def _loss_sides(self, writer: Writer) -> list[Sides]:
        left_over = {k: row for k, row in enumerate(self.rest) if row}
        descent = self._descent(writer) + "".join(f" - {writer.eta(k)}R_{{{k}}}" for k in left_over)
        losses = [(rf"\tilde{{L}}_{{{k}}}", writer.losses(row)) for k, row in enumerate(self.rows)]
        return [
            (r"\dot{\theta}", descent),
            (r"\tilde{L}", writer.series(r"\tilde{L}", range(len(self.rows)))),
            *losses,
            *((f"R_{{{k}}}", writer.sum(row)) for k, row in left_over.items()),
        ]

    @property
    def is_gradient(self) -> tuple[bool, ...]:
        """Of a loss, for each power of η whether its term of the motion is a gradient for every loss."""
        return tuple(not row for row in self.rest)

    @property
    def is_diffusion(self) -> bool:
        """Of a generator, whether φ is differentiated twice at most: then a stochastic equation has it."""
        if self.noise is not None:
            return all(len(states) <= 2 for states in self.noise)
        return all(derivatives(product) <= 2 for row in self.rows for product in row)

    def records(self) -> list[dict[str, Any]]:
        """One row a term: trees as bracket lists, others as SymPy reads them; before ξ_0 the index is None."""
        writer, states = self.writer(SympyWriter), ("theta", *self.memory)
        return [
            {"index": k if k >= 0 else None, **({"state": state} if self.kind == WHOLE else {}), **entry}
            for k, level in enumerate(self.terms, start=self._first)
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
        definitions = dict(self.writer(SympyWriter).definitions())
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
                    **self._noise_entries(),
                }
        if self.plain:
            first: dict[str, Any] = {"gradient_coefficient": self._leading(self.writer(SympyWriter))[1]}
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

    def _noise_entries(self) -> dict[str, Any]:
        if self.noise is None:
            return {}
        names, noise = ("theta", *self.memory), self.noise.items()
        blocks = [{"states": [names[i] for i in key], "rows": list(map(self._entries, rows))} for key, rows in noise]
        return {"noise": blocks, "fields": list(self.fields), "diffusion": self.is_diffusion}

    @property
    def _indexed(self) -> list[dict[str, Any]]:
        return [{"index": k, "terms": self._entries(row)} for k, row in self._numbered.items()]

    def _entries(self, row: Row) -> list[dict[str, Any]]:
        return self.writer(SympyWriter).entries(row, colours=not self.plain)

    def _loss_entries(self, head: dict[str, Any]) -> dict[str, Any]:
        writer = self.writer(SympyWriter)

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
        if self.noise is not None and len(self.fields) > 1:
            raise InputError("noise: means of powers of g are no gradients of a loss; take at_fields with one for each")
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
        if self.vertices:
            raise InputError(f"{self.vertices[0].function}: is a map of blocks; take its numbers, by counterterms")
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


def _frozen(row: Row, trees: Sequence[Tree] = ()) -> Row:
    """The row; of these trees alone, if there are any."""
    return MappingProxyType({tree: row.get(tree, Fraction(0)) for tree in trees} or dict(row))
