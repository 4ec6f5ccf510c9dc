"""``eomsym derive``: the counter terms of an optimiser, in the notation asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from eomsym.cli import output, parsing

if TYPE_CHECKING:
    from eomsym.derivation import Counterterms, GeneralCounterterms

FORMATS = ("text", "latex", "sympy", "json")
EXAMPLE = "Example: eomsym derive heavy-ball --order 2 --set beta=9/10 --format latex"


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog=EXAMPLE)(derive)


def derive(
    optimizer: Annotated[
        str, typer.Argument(help="Name of the update rule; 'eomsym optimizers' lists them.", metavar="OPTIMIZER")
    ] = "gradient-descent",
    order: Annotated[str, typer.Option(metavar="N", help="Highest power of the learning rate kept, 0 to 15.")] = "2",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Give a parameter an exact value, 9/10 or 0.9; one not given stays a symbol. May be repeated.",
        ),
    ] = None,
    format_: Annotated[str, typer.Option("--format", metavar="FORMAT", help="text, latex, sympy or json.")] = "text",
) -> None:
    """Derive an equation of motion exactly.

    With learning rate eta the optimiser follows, apart from its start,

      d(theta)/dt = -c g - eta (xi_0 + eta xi_1 + eta^2 xi_2 + ...)

    where g is the gradient of the loss. Printed are c and the counter terms
    xi_k, exactly, as

      text    one line per counter term, such as 1/3 g'g'g + 1/12 g''(g,g)
      latex   an aligned block
      sympy   lines NAME = EXPRESSION for sympy.parse_expr: g is the gradient,
              g1(u) its derivative along u, g2(u, v) the second derivative
              along u and v, ...
      json    one object that lists every rooted tree with its coefficient

    Optimisers with several gradients (g₁, g₂) or that divide componentwise
    (Adam) have terms of their own kind; sums and products are componentwise.
    """
    from eomsym import derive as derive_counterterms
    from eomsym.derivation import MAX_ORDER
    from eomsym.optimizers import get

    form = parsing.choice("--format", format_, FORMATS)
    highest = parsing.integer("--order", order, 0, MAX_ORDER)
    parameters = get(optimizer).read_parameters(parsing.settings("--set", set_ or []))
    counterterms = derive_counterterms(optimizer, highest, **parameters)
    if form == "sympy":
        output.write(_sympy_lines(counterterms))
    else:
        output.write({"text": counterterms.text, "latex": counterterms.latex, "json": counterterms.to_json}[form]())


def _sympy_lines(counterterms: Counterterms | GeneralCounterterms) -> str:
    from eomsym.cli.sympy_lines import sympy_lines
    from eomsym.derivation import Counterterms

    return sympy_lines(counterterms) if isinstance(counterterms, Counterterms) else counterterms.sympy_lines()
