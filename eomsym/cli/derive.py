"""``eomsym derive``: the counter terms of an optimiser, in the notation asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eomsym.cli import options, output, parsing
from eomsym.cli.groups import app, examples
from eomsym.errors import InputError

if TYPE_CHECKING:
    from eomsym.derivation.formula import Formula
    from eomsym.models import ExpressionLoss, VectorField

MAX_TERMS = 1000


@dataclass(frozen=True)
class Form:
    """The notation that is asked for, and in what lines it stands."""

    format_: Annotated[str, options.form("text", "latex", "sympy", "json")] = "text"
    document: Annotated[
        bool, typer.Option("--document", help="With --format latex: a document that compiles alone.")
    ] = False
    terms: Annotated[
        int | None,
        options.option(
            "N", "With --format latex: break lines after so many terms.", min=1, max=MAX_TERMS, show_default="3"
        ),
    ] = None

    def __post_init__(self) -> None:
        given = [option for option, value in (("--document", self.document), ("--terms", self.terms)) if value]
        if given and self.format_ != "latex":
            raise InputError(f"{given[0]}: is of LaTeX; add --format latex")

    def write(self, result: Formula) -> None:
        """Prints it."""
        if self.format_ == "latex":
            terms = {} if self.terms is None else {"terms": self.terms}
            output.write((result.document if self.document else result.latex)(**terms))
        else:
            output.write({"text": result.text, "sympy": result.sympy_lines, "json": result.to_json}[self.format_]())


@dataclass(frozen=True)
class Written:
    """A loss or a field that is written down."""

    loss: Annotated[
        str | None, options.option("EXPRESSION", "Write everything out for this loss, as x**4 + a*y**2.")
    ] = None
    field: Annotated[
        str | None, options.option("EXPRESSIONS", "Or for a differential equation: right-hand sides, ; in between.")
    ] = None
    variables: Annotated[Any, options.names(help="Variables of the loss or field, such as x,y.")] = None
    constants: Annotated[Any, options.names("--parameters", help="Constants in the loss or field, such as a,b.")] = None

    def read(self) -> ExpressionLoss | VectorField | None:
        """What is written, None for nothing.  Raises ``InputError`` for options that do not go together."""
        if self.loss is None and self.field is None:
            if self.variables is not None or self.constants is not None:
                raise InputError("--variables, --parameters: they belong to a --loss or --field; give one of these too")
            return None
        if self.loss is not None and self.field is not None:
            raise InputError("--loss, --field: both given; give one of them")
        if self.variables is None:
            raise InputError("--variables: missing; name the variables in order, such as x,y")
        from eomsym.models import ExpressionLoss, VectorField

        names = self.variables, self.constants or []
        return VectorField(self.field, *names) if self.field is not None else ExpressionLoss(self.loss or "", *names)


@app.command(
    epilog=examples(
        "eomsym derive --order 4",
        "eomsym derive heavy-ball --order 2 --set beta=9/10 --format latex",
        "eomsym derive adam --format latex --document > adam.tex",
        "eomsym derive heavy-ball --order 2 --start",
        "eomsym derive --order 2 --schedule eta",
        "eomsym derive gradient-descent --noise --order 2",
        'eomsym derive "torch.Adam()" --noise',
        'eomsym derive --loss "x**4 + a*y**2" --variables x,y --parameters a',
    )
)
def derive(
    *,
    optimizer: Annotated[
        str,
        options.argument(
            "OPTIMIZER",
            "Name of the update rule; 'eomsym optimizers' lists them.",
            autocompletion=options.complete_optimizer,
        ),
    ] = "gradient-descent",
    order: Annotated[
        int | None,
        options.option(
            "N",
            "Highest power of the learning rate kept: 0 to 15, to 20 in closed form.",
            show_default="2, or the highest under noise",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        options.option(
            "NAME=VALUE",
            "Give a parameter an exact value, 9/10 or 0.9, an option yes or no; others are symbols. Repeatable.",
            "--set",
        ),
    ] = None,
    state: Annotated[
        str,
        options.choice(
            "state",
            ("slow", "whole"),
            "slow: the memory is eliminated. whole: theta and the memory, in powers of h; --set takes gamma.",
        ),
    ] = "slow",
    form: Form,
    start: Annotated[
        bool,
        typer.Option("--start", help="Also where the flow of a method with memory starts: theta_0 + eta c_1 + ..."),
    ] = False,
    schedule: Annotated[
        Any, options.names(help="What depends on time: eta, as eta s(tau), and parameters; commas in between.")
    ] = None,
    noise: Annotated[
        bool,
        typer.Option("--noise", help="With random batches: the modified generator of expectations."),
    ] = False,
    written: Written,
    quiet: options.Quiet = False,
) -> None:
    """Derive an equation of motion exactly.

    With learning rate eta the optimiser follows, apart from its start,

      d(theta)/dt = -c g - eta (xi_0 + eta xi_1 + eta^2 xi_2 + ...)

    where g is the gradient of the loss. Printed are c and the counter terms
    xi_k, exactly, as

      text    one line per counter term, such as 1/3 g'g'g + 1/12 g''(g,g)
      latex   an aligned block, and what its symbols mean
      sympy   lines NAME = EXPRESSION for sympy.parse_expr: g is the gradient,
              g1(u) its derivative along u, g2(u, v) the second derivative
              along u and v, ...
      json    one object that lists every rooted tree with its coefficient

    Optimisers with several gradients (g₁, g₂) or that divide componentwise
    (Adam) have terms of their own kind; sums and products are componentwise.
    With --start also its shadow start for methods with memory, from which the
    flow follows the iterates once the memory of the start has faded.
    With --loss they are written out in its variables: g, xi_0, xi_1, ...
    With --field "f; ..." it is the modified equation of y' = f(y):
    f_0 = f, f_1, ... multiply 1, eta, eta^2, ...

    With --schedule eta the learning rate is eta s(tau), tau = n eta, and s',
    s'' are its derivatives: s_d1, s_d2 in sympy and json.

    With --noise batches are drawn independently, and expectations obey
    E phi(theta_k) = exp(k eta L) phi with L = L_0 + eta L_1 + ... For gradient
    descent (orders 0 to 4) it is printed in index notation by the cumulants of
    a batch's gradient. For a rule with memory it is that of the whole state,
    as drift F, diffusion D and third derivatives K: to order 2 where a step is
    linear in the gradient, to order 1 where it divides componentwise (Adam),
    with the mean of the squared gradient as a field g_2 of its own.

    --state whole eliminates nothing: the equation of (theta, memory), which
    begins at the real start. There beta = 1 - gamma h, and eta = h for
    averages (Adam), h^2 for momentum.
    """
    given: dict[str, Any] = dict(parsing.settings(set_ or []))
    if noise:
        others = {"--start": start, "--schedule": schedule, "--loss": written.loss}
        others |= {"--field": written.field, "--variables": written.variables, "--parameters": written.constants}
        others |= {"--state": state != "slow"}
        form.write(_generator(optimizer, order, given, form, [name for name, value in others.items() if value]))
        return
    order = 2 if order is None else order
    model = written.read()
    if model is not None and state == "whole":
        raise InputError("--state whole: not written out for a --loss or --field; leave one of the two out")
    if model is not None and (start or schedule is not None):
        option = "--start" if start else "--schedule"
        raise InputError(f"{option}: is given on trees; leave --loss or --field out")

    from eomsym import derive as derive_equation
    from eomsym.optimizers import chosen

    entry: Any = optimizer
    if state == "slow":
        entry, given = chosen(optimizer, given)
    with output.progress("deriving"):
        result: Formula
        if model is not None:
            from eomsym.derivation.closed_forms import closed_form

            result = closed_form(model, order, entry.name, **given)
        else:
            result = derive_equation(entry, order, state=state, start=start, schedule=schedule or (), **given)
    form.write(result)
    if form.format_ == "text" and state == "slow" and model is None:
        output.note_conditions(entry.name, entry.limits)


def _generator(optimizer: str, order: int | None, given: dict[str, Any], form: Form, others: list[str]) -> Formula:
    from eomsym.derivation.deriving import derive as derive_equation
    from eomsym.derivation.posing import pose
    from eomsym.optimizers.registry import form as chosen_form

    entry, *_ = chosen_form(optimizer, {})
    descends = entry.name == "gradient-descent"
    if descends and given:
        others = ["--set", *others]
    if others:
        raise InputError(f"--noise, {others[0]}: do not go together; leave one of the two out")
    if descends and form.format_ == "sympy":
        raise InputError("--format sympy: a generator is printed as text, latex or json")
    if order is None:
        order = 2 if descends else pose(optimizer, 0, given, "whole", noise=True).highest
    return derive_equation(optimizer, order, noise=True, **given)
