"""A fleet's address in the wrong place, or mistyped: nothing that is said of it has the password."""

import itertools

import click
import pytest
from click.testing import CliRunner
from every_command import OTHERS, REPORTS

from learning_instrument.cli import main

SECRET = "s3cret"
WHERE = "127.0.0.1:1/otel"
#: An address that nothing answers at, and how it may be mistyped.
ADDRESSES = (
    f"clickhouse://u:{SECRET}@{WHERE}",
    f"u:{SECRET}@{WHERE}",
    f"clickhouse:/u:{SECRET}@{WHERE}",
    f"jdbc:clickhouse://u:{SECRET}@{WHERE}",
    f"'clickhouse://u:{SECRET}@{WHERE}'",
    f" clickhouse://u:{SECRET}@{WHERE} ",
    f"clickhouse//u:{SECRET}@{WHERE}",
    f"me@corp:{SECRET}@{WHERE}",
    f"clickhouse://u:a b/{SECRET} @c@{WHERE}",
    f"jdbc:clickhouse://{WHERE}?user=u&password={SECRET}",
    f"clickhouse://u:{SECRET}{'x' * 60}@{WHERE}",
    f"LEARNING_INSTRUMENT_FLEET=clickhouse://u:{SECRET}@{WHERE}",
)
LINES = {
    **{name: lines[0] for name, lines in {**REPORTS, **OTHERS}.items()},
    **{f"fleet {name}": ["fleet", name, f"clickhouse://{WHERE}"] for name in ("init", "refresh", "status", "drop")},
}
#: So many of the spellings are given at each place: over all commands, each is given at each kind of place.
SOME = 3


def said(*arguments):
    """All that the command says. No traceback is an answer."""
    result = CliRunner().invoke(main, arguments, input="")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.output


def places(name):
    """Lines of a command that end, each with one place for a value."""
    command = main
    for word in name.split():
        command = command.get_command(click.Context(main), word)
    arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
    yield [*LINES[name], "{}"]
    for count in range(1, len(arguments) + 2):
        yield [*name.split(), *["{}"] * count]
    for parameter in command.params:
        for option in parameter.opts[:1] if isinstance(parameter, click.Option) else ():
            yield [*LINES[name], f"{option}={{}}"]
            yield [*LINES[name], option, "NAME={}"]
            yield [*LINES[name], f"{option[:-1]}={{}}"]


@pytest.mark.parametrize("name", LINES)
def test_no_command_says_a_password(name, database, tmp_path, monkeypatch):
    """Wherever an address stands; nor is a file called by it."""
    monkeypatch.chdir(tmp_path)
    spellings = itertools.cycle(ADDRESSES)

    for place in places(name):
        for address in itertools.islice(spellings, SOME):
            arguments = [word.replace("{}", address) for word in place]
            assert SECRET not in said("--database", database.path, *arguments), arguments
    assert not list(tmp_path.glob(f"**/*{SECRET}*"))


@pytest.mark.parametrize("address", ADDRESSES)
def test_neither_does_the_command_itself(address, monkeypatch):
    """As a subcommand, as the database, and in the variables."""
    assert SECRET not in said(address)
    assert SECRET not in said("fleet", address)
    assert SECRET not in said(f"--{address}", "list")
    assert SECRET not in said("--database", address, "list")
    monkeypatch.setenv("LEARNING_INSTRUMENT_DATABASE", address)
    monkeypatch.setenv("LEARNING_INSTRUMENT_FLEET", address)
    for arguments in (["list"], ["export"], ["serve", "--host", "192.0.2.1"], ["fleet", "status"], ["push"]):
        assert SECRET not in said(*arguments), arguments


@pytest.mark.parametrize("address", ADDRESSES[1:5])
def test_mistyped_address_is_no_path(address, tmp_path, monkeypatch):
    """What is expected of one is said, and no file is made."""
    monkeypatch.chdir(tmp_path)

    assert "fleet: expected clickhouse://USER:PASSWORD@HOST:PORT/DATABASE" in said("--database", address, "list")
    assert "expected the path of a file, not the address of a fleet" in said(
        "pull", f"clickhouse://{WHERE}", "-o", address
    )
    assert not list(tmp_path.iterdir())
