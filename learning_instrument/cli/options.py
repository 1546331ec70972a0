"""Options that several commands share."""

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

C = TypeVar("C", bound="Callable[..., Any] | click.Command")

_DEFAULT_DATABASE: Final = "learning.db"


def database_option(command: C) -> C:
    """Add ``--database``, which goes before or after the subcommand."""
    return click.option(
        "--database",
        metavar="FILE",
        help="The database.  [default: $LEARNING_INSTRUMENT_DATABASE, else learning.db]",
    )(command)


def database_path(given: str | None) -> str:
    """Return the path given to the subcommand, else to the command, else that of the environment."""
    before = click.get_current_context().find_root().obj
    return given or before or os.environ.get("LEARNING_INSTRUMENT_DATABASE") or _DEFAULT_DATABASE
