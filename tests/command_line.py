"""`panope` as a person types it, in the test's own process: each program of its own takes a second of imports."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import structlog
from typer.testing import CliRunner

from page_reader import clean_environment
from panope_server.cli.main import app
from panope_server.cli.output.logs import _log_to


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def panope(
    *arguments: object, code: int = 0, given: str | bytes = "", environment: Mapping[str, str] | None = None
) -> Result:
    """Runs a command.

    Args:
        arguments: of it; paths are written as they are.
        code: with which it is to end.
        given: on its standard input.
        environment: all variables that it sees; None for this process's without Panope's.
    """
    variables = clean_environment() if environment is None else dict(environment)
    with mock.patch.dict(os.environ, variables, clear=True), warnings.catch_warnings(), _own_logging():
        warnings.simplefilter("ignore", ResourceWarning)  # the end of a program closes what it has open
        ran = CliRunner().invoke(app, [str(argument) for argument in arguments], input=given)
    assert isinstance(ran.exception, SystemExit | None), ran.exc_info
    assert ran.exit_code == code, ran.output
    return Result(ran.exit_code, ran.stdout, ran.stderr)


@contextmanager
def _own_logging() -> Iterator[None]:
    """Ends what a command says of this process's log: loggers would keep it, and tests after it would miss events."""
    before, configure = structlog.get_config(), structlog.configure

    def uncached(**options: Any) -> None:
        configure(**options | {"cache_logger_on_first_use": False})

    with mock.patch.object(structlog, "configure", uncached):
        try:
            yield
        finally:
            configure(**before)
            _log_to.cache_clear()  # a program sets its log up once
