"""What is said of a wrong command line: one sentence, with what there is, and the new name of what was renamed.

Typer's own errors quote the library that it reads values with, and draw a box around them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import typer
from typer.core import TyperGroup

from panope_backends.errors import InvalidInputError, PanopeError
from panope_server.cli.output.console import fail

#: Options and commands that had another name in an earlier version, each with the command that it belongs to.
RENAMED: Mapping[tuple[str, str], str] = {
    ("panope", "worker"): "job-worker",
    ("show", "--ways"): "--candidates",
    ("gc", "--remote"): "--shared",
    ("verify", "--remote"): "--shared",
}

#: How Typer begins the list of an option's choices, each in quotes.
_NO_CHOICE, _QUOTE = " is not one of ", "'"

#: Letters of a command's first sentence, at most.
_WHOLE = 1000

UsageError: Any = typer.BadParameter.__mro__[1]
"""The root of what Typer raises for a wrong command line; it has no public name in every version."""


class CommandGroup(TyperGroup):
    """Commands whose list has the whole of their first sentences."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Lists the commands."""
        shown = [(name, self.commands[name]) for name in self.list_commands(ctx) if not self.commands[name].hidden]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(limit=_WHOLE)) for name, command in shown])


class PanopeGroup(CommandGroup):
    """A command with commands below it, whose errors are sentences as those of the commands themselves."""

    def main(self, *arguments: Any, **more: Any) -> Any:
        """Runs the command line, and ends the process unless the caller wants the result."""
        if not more.pop("standalone_mode", True):
            return super().main(*arguments, **dict(more, standalone_mode=False))
        _read_numbers_strictly(self)
        try:
            result = super().main(*arguments, **dict(more, standalone_mode=False))
        except PanopeError as error:
            fail(error.message, 2 if isinstance(error, InvalidInputError) else 1)
        except UsageError as error:
            if not error.format_message().strip() or type(error).__name__ == "NoArgsIsHelpError":
                error.show()
                sys.exit(error.exit_code)
            fail(_sentence(error), error.exit_code)
        except typer.Abort:
            fail("aborted")
        sys.exit(result if isinstance(result, int) else 0)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Finds the command that a name means; one of an earlier version is told by its new name."""
        renamed = RENAMED.get((self.name or "", args[0])) if args else None
        if renamed:
            fail(f"the command `{args[0]}` was renamed to `{renamed}`", 2)
        return super().resolve_command(ctx, args)


class _NoNumberError(typer.BadParameter):
    """An option that takes a number has been given something else."""

    def __init__(self, text: str, context: Any, parameter: Any) -> None:
        super().__init__("is no number", ctx=context, param=parameter)
        self.text = text


def _read_numbers_strictly(command: Any) -> None:
    """Lets a command and those below it take numbers as JSON writes them alone, where Python's readers take more."""
    for parameter in command.params:
        kind = _kind_of(parameter)
        if kind in (int, float):
            parameter.process_value = partial(_checked, parameter, parameter.process_value)
    for below in getattr(command, "commands", {}).values():
        _read_numbers_strictly(below)


def _checked(parameter: Any, process: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    if isinstance(value, str) and _read(value, _kind_of(parameter)) is None:
        raise _NoNumberError(value, context, parameter)
    return process(context, value)


def _read(text: str, kind: type) -> float | None:
    from panope_server.config.numbers import read_integer, read_number

    return read_integer(text) if kind is int else read_number(text)


def _kind_of(parameter: Any) -> Any:
    """The type of an option's value, whether or not it may be left out."""
    annotation: Any = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    return {int | None: int, float | None: float}.get(annotation, annotation)


def _sentence(error: Any) -> str:
    command = error.ctx.command_path if error.ctx is not None else "panope"
    problem = _problem(error, command).rstrip(".")
    return f"{problem}{' ' if problem.endswith('?') else '; '}`{command} --help` tells what there is"


def _problem(error: Any, command: str) -> str:
    option = getattr(error, "option_name", "")
    renamed = RENAMED.get((command.rpartition(" ")[2], option))
    if renamed:
        return f"the option `{option}` was renamed to `{renamed}`"
    errors = getattr(error.__cause__, "errors", None)  # of the library that read the value
    parameter = getattr(error, "param", None)
    if parameter is None and getattr(error, "param_hint", None):
        return f"{_hinted(error.param_hint)}: {error.message}"
    if parameter is None or not error.message:
        return str(error.format_message())
    if isinstance(error, _NoNumberError):
        return f"{_name(parameter)} is `{error.text}`; allowed: {_range_of(parameter)}"
    if errors is None:
        return f"{_name(parameter)}: {error.message}"
    return f"{_name(parameter)} is `{errors()[0]['input']}`; allowed: {_allowed(errors()[0], parameter)}"


def _name(parameter: Any) -> str:
    is_option = str(parameter.opts[0]).startswith("-")
    return f"`{parameter.opts[0]}`" if is_option else str(parameter.name).upper()


def _hinted(hint: str) -> str:
    """What a command names itself where it refuses values for what stands beside them: options as `_name` has them."""
    return ", ".join(f"`{each}`" if each.startswith("-") else each for each in hint.split(", "))


def _allowed(detail: Mapping[str, Any], parameter: Any) -> str:
    """What a value may be: a choice, a number of the option's kind and range, else what the library says of it."""
    _, is_choice, choices = str(detail["msg"]).rpartition(_NO_CHOICE)
    if is_choice:
        *others, last = (f"`{each.strip(_QUOTE)}`" for each in choices.rstrip(".").split(", "))
        return f"{', '.join(others)} or {last}" if others else last
    if str(detail["type"]).partition("_")[0] not in ("int", "float", "greater", "less"):
        return str(detail["msg"])
    return _range_of(parameter)


def _range_of(parameter: Any) -> str:
    kind = "an integer" if _kind_of(parameter) is int else "a number"
    least, most = parameter.min, parameter.max
    if least is None or most is None:
        ends = [f"at least {least}"] * (least is not None) + [f"at most {most}"] * (most is not None)
        return ", ".join((kind, *ends))
    return f"{kind} from {least} to {most}"
