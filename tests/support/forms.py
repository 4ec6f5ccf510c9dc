"""Optimisers that tests go through: all that are registered, and forms of them that go other ways."""

from eomsym import optimizers
from eomsym.optimizers.variants import options_of

ADAM_INSIDE = "adam(inside=yes, corrected=no)"
FORMS = ("nesterov(lookahead=yes)", "rmsprop(inside=yes)", "adam(corrected=no)", ADAM_INSIDE, "adamw(corrected=no)")
#: By their names.
EVERY = {**optimizers.REGISTRY, **{name: optimizers.get(name) for name in FORMS}}
#: Forms of which no test is about all that there is to know.
MORE = (
    *("adam(two_epsilons=yes, nesterov=yes)", "adam(two_epsilons=yes, nesterov=yes, optimistic=yes)"),
    *("adam(nesterov=yes, decoupled_decay=yes)", "adam(two_epsilons=yes, decoupled_decay=yes)"),
    "heavy-ball(dampened=yes, coupled_decay=yes, maximize=yes)",
    *("rmsprop(inside=yes, centered=yes)", "rmsprop(inside=yes, centered=yes, corrected=yes, momentum=yes)"),
    *("rmsprop(inside=yes, nesterov=yes, started=yes)", "rmsprop(centered=yes, coupled_decay=yes, maximize=yes)"),
)


def with_one_flag(entry):
    """The forms of an optimiser with one flag other than by default."""
    flags = [option for option in options_of(entry) if option.kind == "flag"]
    return [optimizers.chosen(entry.name, {flag.name: not flag.default})[0] for flag in flags]


_LISTED = [*optimizers.REGISTRY.values(), *optimizers.FURTHER.values()]
#: By their names, what is not listed.
UNLISTED = {entry.name: entry for listed in _LISTED for entry in with_one_flag(listed)}
UNLISTED |= {name: optimizers.get(name) for name in MORE} | optimizers.FURTHER
