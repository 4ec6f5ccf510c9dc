"""``eomsym generate``: kernels as Python files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from eomsym.cli import options, output
from eomsym.cli.groups import app, examples, new_group
from eomsym.errors import InputError

GENERATED = Path("generated")
LOSS_EXAMPLES = examples(
    'eomsym generate loss "x**4 + a*y**2" --variables x,y --parameters a --order 8',
    'eomsym generate loss "x*(1-y); y*(x-1)" --variables x,y --field --order 6',
)
MLP_EXAMPLES = examples(
    "eomsym generate mlp --layers 64,32,10 --order 4 --output kernels",
    "eomsym generate mlp --layers 64,32,10 --optimizer nesterov --order 3",
    "eomsym generate mlp --layers 8,16,10 --order 12 --precision double-double",
)


group = new_group(
    help="Generate a numba kernel, one self-contained Python file, or check the committed ones.",
    epilog=examples(
        "eomsym generate mlp --layers 64,32,10 --order 4",
        'eomsym generate loss "(1-x)**2 + 100*(y-x**2)**2" --variables x,y --order 4',
        "eomsym generate --check",
    ),
)
app.add_typer(group, name="generate")


@group.callback(invoke_without_command=True)
def generate(
    context: typer.Context,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Compare the committed kernels with what would be generated; exit 1 with a diff.",
        ),
    ] = False,
) -> int:
    if context.invoked_subcommand is not None:
        if check:
            raise InputError(f"--check: stands alone; leave out {context.invoked_subcommand!r}")
        return 0
    if not check:
        raise InputError("generate: nothing to generate; give 'mlp' or 'loss' with its --order, or --check")
    from eomsym.codegen.store import check_committed

    diffs = check_committed()
    for diff in diffs:
        output.write(diff)
    return 1 if diffs else 0


@group.command(epilog=MLP_EXAMPLES)
def mlp(
    *,
    order: Annotated[
        int, options.option("N", "Highest power of the learning rate kept, 0 to 12, or 20 in double-double.")
    ],
    network: options.OwnNetwork,
    rule: options.Rule,
    precision: Annotated[str, options.option("NAME", "Arithmetic of the kernel: double or double-double.")] = "double",
    output_: options.Folder = GENERATED,
) -> None:
    """Generate the kernel of a multilayer perceptron; prints the path of the file.

    The file holds loss, gradient, counter terms and the field of the equation
    of motion, and imports only numpy, numba and math. What is left out suits
    the --data; without them it is tanh and cross-entropy.
    """
    from eomsym.codegen.store import generate as generate_kernel

    model = network.model(network.samples())
    entry, exact = rule.read_rule()
    path = generate_kernel(model, order, optimizer=entry.name, precision=precision, output=output_, **exact)
    output.write(str(path))


@group.command(epilog=LOSS_EXAMPLES)
def loss(
    expression: Annotated[str, options.argument("EXPRESSION", "The loss.", show_default=False)],
    variables: Annotated[Any, options.names(help="Variables in the order of theta, such as x,y.")],
    order: Annotated[int, options.option("N", "Highest power of the learning rate kept, 0 to 16.")],
    parameters: Annotated[Any, options.names(help="Constants given when the kernel is called, such as a,b.")] = None,
    field: Annotated[
        bool, typer.Option("--field", help="A differential equation: right-hand sides, ; in between.")
    ] = False,
    optimizer: options.Optimizer = "gradient-descent",
    precision: Annotated[str, options.option("NAME", "Arithmetic of the kernel: double.")] = "double",
    output_: options.Folder = GENERATED,
) -> None:
    """Generate the kernel of a loss that is written down; prints the path.

    The expression may hold numbers, names, + - * / **, parentheses, and exp,
    log, sqrt, sin, cos, tan, tanh, sinh, cosh, atan, erf, sigmoid, softplus.
    """
    from eomsym.codegen.store import generate as generate_kernel
    from eomsym.models import ExpressionLoss, VectorField

    model = (VectorField if field else ExpressionLoss)(expression, variables, parameters or [])
    output.write(str(generate_kernel(model, order, optimizer=optimizer, precision=precision, output=output_)))
