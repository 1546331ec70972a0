"""The command ``learning-instrument``: which file has which subcommand, and how each of them ends.

Exit codes: 0, or what the subcommand says; 1 for a finding that a script asked for (a regression, ``--strict``);
2 and one line for an error that the user can correct; 130 after Ctrl-C; 141 after the reader of a pipe closed it;
143 after SIGTERM, where the subcommand has something to end.
"""

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import click

from ..errors import LearningInstrumentError
from .options import database_option, no_color_option
from .terminal import logging_in_one_line, tell

#: Subcommand -> the module here that has it, as ``<subcommand>_command``. In the order of ``--help``, which has a title
#: before some of them.
COMMANDS: Final = {
    "run": "run",
    "pools": "pools",
    "demo": "demo",
    "summary": "performance",
    "performance": "performance",
    "costs": "costs",
    "errors": "errors",
    "compare": "compare",
    "patterns": "patterns",
    "similar": "patterns",
    "report": "pictures",
    "open": "browsing",
    "list": "executions",
    "show": "show",
    "tail": "executions",
    "top": "top",
    "watch": "watch",
    "serve": "serve",
    "feedback": "feedback",
    "delete": "deletion",
    "export": "transfer",
    "import": "transfer",
    "backup": "maintenance",
    "recover": "maintenance",
    "doctor": "doctor",
    "prune": "maintenance",
    "rebuild": "maintenance",
    "index": "indexing",
    "reprice": "maintenance",
    "fleet": "fleet",
    "pull": "pull",
    "push": "pull",
}
_TITLES: Final = {
    "run": "Record",
    "summary": "Reports",
    "list": "Executions",
    "export": "Files",
    "doctor": "Upkeep",
    "fleet": "Many machines",
}

_WRONG: Final = 2
_INTERRUPTED: Final = 130
_PIPE_CLOSED: Final = 141


class CommandGroup(click.Group):
    """Imports a subcommand when it is used, and reports errors in one line."""

    @classmethod
    def assemble(cls) -> "CommandGroup":
        """Return the whole command."""
        group = cls(
            "learning-instrument",
            help="Reports on the executions of pools of workers and agents: performance, cost, errors.",
            epilog="A subcommand's own options: learning-instrument COMMAND --help.",
            context_settings={"help_option_names": ["-h", "--help"]},
            callback=_remember_database,
        )
        group = no_color_option(database_option(group))
        return click.version_option(package_name="learning_instrument", prog_name="learning-instrument")(group)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the subcommand called *name*."""
        if name not in COMMANDS:
            return None
        module = import_module(f".commands.{COMMANDS[name]}", __package__)
        command: click.Command = getattr(module, f"{name}_command")
        if all(parameter.name != "no_color" for parameter in command.params):
            no_color_option(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what each subcommand does, below the title of its group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        room = formatter.width - max(map(len, COMMANDS)) - 6
        for name in COMMANDS:
            command = self.get_command(ctx, name)
            assert command is not None, "its name is in the table"
            title = _TITLES.get(name) or list(groups)[-1]
            groups.setdefault(title, []).append((name, command.get_short_help_str(room)))
        width = max(map(len, COMMANDS))
        for title, rows in groups.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in rows])

    def main(self, args: Sequence[str] | None = None, *others: Any, **keywords: Any) -> Any:
        """Run, and end the process."""
        keywords["standalone_mode"] = False
        _open_missing_streams()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal may lack a letter of a task's
        try:
            with logging_in_one_line():
                status = super().main(args, *others, **keywords)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            status = _WRONG
        except click.ClickException as error:
            context = getattr(error, "ctx", None)
            message = error.format_message()
            status = _complain(
                message if message.endswith((".", "?")) else f"{message}.",
                f" See {context.command_path} --help." if context else "",
            )
        except LearningInstrumentError as error:
            status = _complain(str(error))
        except (click.Abort, KeyboardInterrupt):
            status = _INTERRUPTED
        except OSError as error:
            if error.filename is not None:  # it is of a file, and none that we know how to explain
                raise
            _discard_stdout()
            status = _complain(f"The answer cannot be written: {error.strerror}.")
        sys.exit(status)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _discard_stdout()
            raise click.exceptions.Exit(_PIPE_CLOSED) from None


def _remember_database(database: str | None) -> None:
    click.get_current_context().obj = database


def _complain(message: str, hint: str = "") -> int:
    tell(f"Error: {message}{hint}")
    return _WRONG


def _open_missing_streams() -> None:
    """Open what was closed before the start: else the database would be standard output, say."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - open until the end


def _discard_stdout() -> None:
    """Discard buffered output: the interpreter flushes it at exit, and would report an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
