"""Every option of every command: what it takes, and values that are out of its range."""

import re

import click
import pytest
from asking import ask, record, store
from every_command import OTHERS, REPORTS

from learning_instrument.cli import main
from learning_instrument.cli.main import COMMANDS

CONTEXT = click.Context(main)
NUMBERS = (
    "99999999999999999999", "-99999999999999999999", "9223372036854775808", "1e400", "-1e400", "1e308", "nan", "inf",
    "-inf", "0", "-1", "0x10", "\u0663", "1_0", "",
)  # fmt: skip
TIMES = (
    "0000-01-01", "10000-01-01", "0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00", "0001-01-01", "9999-12-31",
    "1e400d", "99999999999d", "999999999d", "9" * 400 + "w", "-1d", "\u0663d", "0d", "2026-02-30", "1e4GB",
    "1" * 400 + "B", "", "..", "a..b", "0000-01-01..", "..99999999999d",
)  # fmt: skip


def options(command):
    return [option for option in main.get_command(CONTEXT, command).params if isinstance(option, click.Option)]


def takes_a_number(option):
    return isinstance(option.type, (click.types.IntParamType, click.types.FloatParamType)) and not option.is_flag


def takes_a_time(option):
    return option.metavar in ("WHEN", "AGE", "SIDE", "SIZE")


CASES = [
    (command, option.opts[0], NUMBERS if takes_a_number(option) else TIMES)
    for command in COMMANDS
    for option in options(command)
    if takes_a_number(option) or takes_a_time(option)
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("options") / "learning.db")
    store(path, record(task_id="first", actual_cost=1.0, cost_estimate=2.0, solution_summary="did it"))
    return path


@pytest.mark.parametrize(("command", "option", "values"), CASES, ids=[f"{case[0]} {case[1]}" for case in CASES])
def test_value_is_taken_or_refused_in_one_line(path, tmp_path, monkeypatch, command, option, values):
    """No number and no time is one that only a traceback, or SQLite, says anything of."""
    monkeypatch.setattr("learning_instrument.cli.commands.executions.time.sleep", ended)
    monkeypatch.setattr("learning_instrument.maintenance.datasette.become", ended)
    line = {**REPORTS, **OTHERS}[command][0]
    for number, value in enumerate(values):
        words = [str(tmp_path / f"{number}.db") if word == "FILE" else word for word in line]
        result = ask(path, *words, f"{option}={value}")

        assert result.exit_code in (0, 1, 2, 3, 130), (value, result.output)
        if result.exit_code == 2:
            assert (result.stdout, result.stderr.count("\n"), len(result.stderr) < 1500) == ("", 1, True), value
            assert result.stderr.startswith("Error: ")
            assert "Python" not in result.stderr, value


def ended(*arguments):
    """Do as Ctrl-C does."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_what_each_option_takes(command):
    """Its kind of value or its choices, what it is for, and its default."""
    for option in options(command):
        said = option.get_help_record(click.Context(main))
        assert said is not None
        names, text = said
        assert option.help, names
        assert re.match(r"[A-Z0-9].*\.(  \[.*\])?$", text), (names, text)
        if option.is_flag:
            assert option.metavar is None, names
        else:
            assert option.metavar or isinstance(option.type, click.Choice), names
            has_default = option.default is not None and type(option.default).__name__ != "Sentinel"
            assert not has_default or option.multiple or "default" in text.lower(), (names, text)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_each_argument_is(command):
    """By its name, in the text above the options."""
    made = main.get_command(CONTEXT, command)
    for argument in made.params:
        if isinstance(argument, click.Argument):
            name = (argument.metavar or argument.name.upper()).strip("[].")
            assert re.search(rf"\b{name}\b", made.help), name


def test_help_of_a_command_begins_with_what_it_does():
    """In one line of the listing, a verb first."""
    for command in COMMANDS:
        first = main.get_command(CONTEXT, command).help.splitlines()[0]
        assert re.fullmatch(r"[A-Z][a-z]+ .*\.", first), (command, first)
        assert len(first) <= 80 - 2 - max(map(len, COMMANDS)) - 2, (command, first)
