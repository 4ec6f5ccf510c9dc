"""One clear line from whatever went wrong: names the input, says what is wrong and what would be right."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import typer

from eomsym.checks import shown
from eomsym.errors import EomsymError

LONGEST_LINE = 1000

#: An argument as the API's messages spell it, ``begin=5`` or ``state='whole'``.
_ARGUMENT = re.compile(r"(?<![\w.])(?<!\w\()([a-z_]+)=('[^'\s]*'|[\w.]+)")
#: What a message begins with: the name of the value that is wrong.
_NAME = re.compile(r"[a-z_]+(?=:| [-\d'\[]| -?(?:nan|inf)\b)")

#: Those of the command that runs; one process, one command line.
options: Collection[str] = ()

#: Base of the errors that typer raises for a wrong command line.  typer does not export it and newer versions carry
#: their own copy of click, so it is reached through the one subclass that every version exports.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def one_line(message: str) -> str:
    """``message`` on a single line that people can read.

    Signs that are for terminals are written as escapes, and the middle of what is very long is left out.
    """
    text = " ".join(message.split())
    shown = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return shown if len(shown) <= LONGEST_LINE else f"{shown[: LONGEST_LINE // 2]} ... {shown[-LONGEST_LINE // 2 :]}"


def spelled(message: str) -> str:
    """A message of the API, with arguments that the command has as options as they are written there."""

    def option(argument: re.Match[str]) -> str:
        name, value = f"--{argument[1].replace('_', '-')}", argument[2].strip("'")
        return f"{name} {value}" if name in options else argument[0]

    begun = _NAME.match(message)
    head = f"--{begun[0].replace('_', '-')}" if begun else ""
    return _ARGUMENT.sub(option, head + message[len(begun[0]) :] if begun and head in options else message)


def usage(error: Any) -> str:
    """The line for an error of typer's own: unknown option, missing option or value, superfluous argument."""
    context: typer.Context | None = getattr(error, "ctx", None)
    problem = str(getattr(error, "message", ""))
    if hasattr(error, "possibilities"):
        near = sorted(error.possibilities or ())
        right = f"did you mean {' or '.join(near)}?" if near else f"see {_help_of(context)}"
        return f"option {error.option_name!r}: unknown; {right}"
    if hasattr(error, "option_name"):
        takes_none = "does not take" in problem
        right = "takes no value; write it alone" if takes_none else f"needs a value; write {error.option_name}=VALUE"
        return f"option {error.option_name!r}: {right}"
    if getattr(error, "param", None) is not None and not problem:
        is_argument = error.param.param_type_name == "argument"
        name = f"argument {error.param.metavar}" if is_argument else f"option {error.param.opts[0]!r}"
        return f"{name}: missing; see {_help_of(context)}"
    if hasattr(error.__cause__, "errors"):  # pydantic's, of a value that is not what it is read as
        (refused,) = error.__cause__.errors()[:1]
        reason = refused.get("ctx", {}).get("error", refused["msg"])
        if isinstance(reason, EomsymError):
            return spelled(str(reason))
        return f"{_called(error.param)} {shown(refused['input'])}: {str(reason)[:1].lower()}{str(reason)[1:]}"
    return f"{problem[:1].lower()}{problem[1:].rstrip('. ')}; {_usage_of(context)}"


def _called(parameter: Any) -> str:
    return str(parameter.metavar if parameter.param_type_name == "argument" else parameter.opts[0])


def operating_system(error: OSError) -> str:
    """The line for a file that cannot be read or written."""
    reason = error.strerror or type(error).__name__
    where = f"file {error.filename!r}: " if error.filename is not None else ""
    return f"{where}{reason}; give a path that can be read and written"


def _help_of(context: typer.Context | None) -> str:
    return f"'{context.command_path} --help'" if context else "'eomsym --help'"


def _usage_of(context: typer.Context | None) -> str:
    return one_line(context.get_usage()).replace("Usage:", "usage:") if context else f"see {_help_of(context)}"
