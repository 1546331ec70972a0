"""Options that several commands share."""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import click

from .. import formatting
from ..analytics.burndown import BURN_DOWN_PERIODS
from ..analytics.overview import span
from ..analytics.values import unmatched
from ..errors import ConfigurationError, DatabaseError, LearningInstrumentError
from ..fleet.address import Address, is_address
from ..fleet.opening import opened
from ..sqlite.paths import absolute, default_path
from ..sqlite.read_only import VALUE_FAULTS, ReadOnlyDatabase
from ..sqlite.selection import OpenDatabase, Selection
from ..storage import spill_names
from ..timestamps import moment
from . import moments
from .progress import NO_SUMS, waiting
from .rendering import Output, tell
from .terminal import LOCAL, NO_COLOR, RAW

C = TypeVar("C", bound="Callable[..., Any] | click.Command")


_FLEET: Final = "LEARNING_INSTRUMENT_FLEET"
#: No number is larger: SQLite's integers have 64 bits, and sums of counts stay far below.
_MOST: Final = 10**12


class Count(click.IntRange):
    """A whole number from *least* on, which SQLite can count to."""

    def __init__(self, least: int = 1) -> None:
        super().__init__(least)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail with a message that says the limit."""
        number = super().convert(value, param, ctx)
        if number > _MOST:
            self.fail(f"{value} is too large: expected at most {_MOST:,}.", param, ctx)
        return number


class NumberRange(click.FloatRange):
    """A finite number within a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail with a message that says the range."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


class FilePath(click.Path):
    """The path of a file, which the address of a fleet is not: no file is made by the name of a password."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, or fail."""
        if is_address(value):
            self.fail(
                "expected the path of a file, not the address of a fleet; a file of such a name is ./NAME.", param, ctx
            )
        return super().convert(value, param, ctx)


@dataclass(frozen=True, slots=True)
class Question:
    """The options that every reporting command takes."""

    #: A path, or the address of a fleet.
    path: str
    selection: Selection
    output: Output

    @property
    def file(self) -> str:
        """The path of a file.

        Raises:
            ConfigurationError: if an address was given.
        """
        return _file(self.path)

    def limit(self, given: int | None, in_a_table: int) -> int | None:
        """Return how many rows to show, None being all: those of ``--limit``, else so many in a table."""
        return in_a_table if given is None and self.output is Output.TEXT else given

    def explain_nothing(self, database: OpenDatabase) -> None:
        """Say on standard error why the selection is empty, if it is and there are executions.

        Names the values that there are where no execution has one of the filters, and what is outside of the window.
        """
        chosen = self.selection
        if span(database, chosen) != (None, None) or span(database, Selection()) == (None, None):
            return
        strangers = unmatched(database, chosen)
        for stranger in strangers:
            tell(str(stranger))
        first, last = span(database, replace(chosen, since=None, until=None))
        if first is not None and last is not None:
            tell(
                "No execution started in this window. The first of those selected started on"
                f" {moments.when(first)}, the last on {moments.when(last)}."
            )
        elif not strangers:
            tell("Every filter matches some executions; no execution matches all of them.")

    @contextlib.contextmanager
    def database(self, slow: str | None = NO_SUMS) -> Iterator[OpenDatabase]:
        """Yield the database to query; say whether rows wait outside of it.

        Args:
            slow: why the answer may take long, shown when it does; the block prints nothing then. None: it prints.
        """
        tell_of_spill_files(self.path)
        with waiting(slow) if slow else contextlib.nullcontext(), opened(self.path) as database:
            yield database


def reporting_command(
    name: str, *, file_option: Callable[[click.Command], click.Command] | None = None
) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function the subcommand *name*: it gets a :class:`Question`, of a report's options, and its own.

    Args:
        name: that of the subcommand.
        file_option: adds the parameter ``database``; None: ``--database``.
    """

    def command(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def answer(database: str | None, as_json: bool, as_csv: bool, **others: Any) -> Any:
            selection = _selection(others)
            return _answer(function, database_address(database), selection, output_wanted(as_json, as_csv), others)

        answer = output_options(local_option(answer))
        for option in reversed(_REPORT_OPTIONS):
            answer = option(answer)
        return (file_option or database_option)(click.command(name)(answer))

    return command


def filtered_command(name: str, *, has_window: bool = False) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function the subcommand *name*: it gets a :class:`Question`, with or without a window, and its options."""

    def command(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def run(database: str | None, **others: Any) -> Any:
            return _answer(function, database_address(database), _selection(others), Output.TEXT, others)

        for option in reversed(_REPORT_OPTIONS if has_window else _FILTER_OPTIONS):
            run = option(run)
        return click.command(name)(database_option(run))

    return command


def _selection(options: dict[str, Any]) -> Selection:
    """Take the options that select executions out of *options*."""
    filters = {name: options.pop(name) for name in _FILTERS}
    since, until = (moment(text) if text else None for text in (options.pop(name, None) for name in ("since", "until")))
    return Selection(since=since, until=until, where=options.pop("where"), **filters)


def _answer(
    function: Callable[..., Any], path: str, selection: Selection, output: Output, options: dict[str, Any]
) -> Any:
    """Call the function of a command; where a value in the file is at fault, say which."""
    try:
        return function(Question(path, selection, output), **options)
    except VALUE_FAULTS as error:
        if not isinstance(error, LearningInstrumentError) and not is_address(path):
            _refuse_invalid_values(path)
        raise


def _refuse_invalid_values(path: str) -> None:
    """Check whether the fault of a report is one of the values in the file.

    Raises:
        DatabaseError: if the file has invalid values.
    """
    from ..maintenance.doctor.values import invalid_values  # here: seldom needed, and it imports much

    with ReadOnlyDatabase(path) as database:
        for finding in invalid_values(database):
            raise DatabaseError(f"{database.path} cannot answer. {finding.what} {finding.remedy}")


def tell_of_spill_files(path: str) -> None:
    """Say on standard error that executions wait beside the database at *path*, if they do."""
    if is_address(path):
        return
    waiting = spill_names.waiting(absolute(path))
    if waiting.files:
        tell(
            f"{formatting.counted(waiting.executions, 'execution')} in"
            f" {formatting.counted(waiting.files, 'spill file')} beside {path}, not included here: the next process"
            " that records takes them in."
        )


def database_option(command: C) -> C:
    """Add ``--database``, which goes before or after the subcommand."""
    return click.option(
        "--database",
        metavar="FILE",
        type=click.Path(),
        help="The database.  [default: $LEARNING_INSTRUMENT_DATABASE, else learning.db]",
    )(command)


def fleet_argument(command: C) -> C:
    """Add ``ADDRESS``, the :class:`Address` of a fleet. A variable may have it: a command line is seen by all users."""

    def parsed(context: click.Context, parameter: click.Parameter, text: str | None) -> Address:
        if not text:
            raise click.UsageError(f"Missing ADDRESS of a fleet: give it, or set {_FLEET}.", context)
        return Address.parse(text)

    return click.argument("address", metavar="[ADDRESS]", required=False, envvar=_FLEET, callback=parsed)(command)


def database_path(given: str | None) -> str:
    """Return the path given to the subcommand, else to the command, else that of the environment.

    Raises:
        ConfigurationError: if it is the address of a fleet.
    """
    return _file(database_address(given))


def database_address(given: str | None) -> str:
    """Return the path or address given to the subcommand, else to the command, else that of the environment."""
    before = click.get_current_context().find_root().obj
    return given or before or default_path()


def _file(where: str) -> str:
    if is_address(where):
        raise ConfigurationError(
            f"{Address.parse(where)} is a fleet: {click.get_current_context().info_name} works on a file. Expected a"
            " path; learning-instrument pull copies a part of a fleet into a file."
        )
    return where


#: Option -> its help. The same names are the fields of Selection.
_FILTERS: Final = {
    "repo": "Only executions in this repository.",
    "pool_type": "Only executions of this type of pool.",
    "model_tier": "Only executions on this model tier.",
    "task_type": "Only executions of this type of task.",
}

_FILTER_OPTIONS: Final[list[Callable[..., Any]]] = [
    *(
        click.option(f"--{name.replace('_', '-')}", metavar="NAME", help=help_text)
        for name, help_text in _FILTERS.items()
    ),
    click.option(
        "--where",
        metavar="NAME=VALUE",
        multiple=True,
        help="Only executions with this value of a column, or of metadata.KEY: model=gpt-4o. Several all hold.",
    ),
]

_REPORT_OPTIONS: Final[list[Callable[..., Any]]] = [
    click.option("--since", metavar="WHEN", help="Only executions that started since: 24h, 7d, 2w, or a date (UTC)."),
    click.option("--until", metavar="WHEN", help="Only executions that started before: as for --since."),
    *_FILTER_OPTIONS,
]


def limit_option(in_a_table: int, help_text: str) -> Callable[[C], C]:
    """Add ``--limit`` of rows, for :meth:`Question.limit`."""
    default = f"[default: {in_a_table} in a table, all in JSON and CSV]"
    return click.option("--limit", metavar="N", type=Count(), help=f"{help_text}  {default}")


def budget_options(budget_help: str, period_help: str) -> Callable[[C], C]:
    """Add ``--budget``, an amount of US dollars, and the ``--period`` that it is for."""

    def checked(context: click.Context, parameter: click.Parameter, budget: float | None) -> float | None:
        if budget is not None and not 0 < budget < math.inf:
            raise ConfigurationError(f"Invalid --budget {budget!r}: expected an amount in US dollars above 0.")
        return budget

    budget = click.option("--budget", metavar="USD", type=float, callback=checked, help=budget_help)
    period_type = click.Choice(BURN_DOWN_PERIODS)
    period = click.option("--period", default="month", type=period_type, show_default=True, help=period_help)
    return lambda command: budget(period(command))


def output_options(command: C) -> C:
    """Add ``--json``, ``--csv`` and ``--raw``."""
    json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    csv_option = click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
    raw_help = "Leave control characters, and in CSV text that a spreadsheet takes for a formula, as they are."
    return json_option(csv_option(_flag_option("--raw", RAW, raw_help)(command)))


def local_option(command: C) -> C:
    """Add ``--local``."""
    help_text = "Show times in this machine's time zone. JSON, CSV, days and hours stay UTC."
    return _flag_option("--local", LOCAL, help_text)(command)


def no_color_option(command: C) -> C:
    """Add ``--no-color``, which goes before or after the subcommand."""
    return _flag_option("--no-color", NO_COLOR, "Print without colours, as with NO_COLOR=1 in the environment.")(
        command
    )


def _flag_option(name: str, what: str, help_text: str) -> Callable[[C], C]:
    """Add the option *name*, which tells the command *what* (see :func:`~.terminal.is_told`)."""

    def remember(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        context.meta[what] = value or context.meta.get(what, False)  # said before the subcommand, or after it

    return click.option(name, is_flag=True, expose_value=False, callback=remember, help=help_text)


def output_wanted(as_json: bool, as_csv: bool) -> Output:
    """Return the output format by ``--json`` and ``--csv``.

    Raises:
        ConfigurationError: if both are given.
    """
    if as_json and as_csv:
        raise ConfigurationError("--json and --csv exclude each other; leave one out.")
    return Output.JSON if as_json else Output.CSV if as_csv else Output.TEXT
