"""Addresses: what they mean, and that none tells a password."""

import pytest

from learning_instrument.errors import ConfigurationError
from learning_instrument.fleet.address import Address, is_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clickhouse://host", Address("host", 8123)),
        ("clickhouse://host/", Address("host", 8123)),
        ("clickhouse://host/fleet", Address("host", 8123, database="fleet")),
        ("clickhouse://me:p%40ss%2Fw%3Ard@host:9123/my%20db", Address("host", 9123, "me", "p@ss/w:rd", "my db")),
        ("clickhouse://host?secure=1", Address("host", 8443, is_secure=True)),
        ("clickhouse://host:1/db?secure=0", Address("host", 1, database="db")),
        ("clickhouses://host/db", Address("host", 8443, database="db", is_secure=True)),
        ("clickhouse://[::1]:8123/db", Address("::1", 8123, database="db")),
        ("chdb:///folder/of/it", Address("", 0, folder="/folder/of/it")),
        ("chdb:///folder?database=x", Address("", 0, database="x", folder="/folder")),
    ],
)
def test_address_has_host_user_and_database(text, expected):
    """What is left out has ClickHouse's default; the port is that of HTTP."""
    assert Address.parse(text) == expected
    assert is_address(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("clickhouse://", "expected clickhouse://USER"),
        ("clickhouse:///db", "expected clickhouse://USER"),
        ("clickhouse://host/db/table", "expected clickhouse://USER"),
        ("clickhouse://host:port/db", "Port could not be cast"),
        ("clickhouse://host:99999/db", "Port out of range"),
        ("clickhouse://host:0/db", "Port out of range"),
        ("clickhouse://host/db?sec=1", "unknown option 'sec'"),
        ("clickhouse://host/db?secure=perhaps", "expected secure=1 or secure=0"),
        ("clickhouse://host/db?secure", "bad query field: 'secure'"),
        ("clickhouse://me:a#b@host/db", "written %2F %3F and %23"),
        ("clickhouse://host/db#x", "expected clickhouse://USER"),
        ("clickhouse://[::1/db", "Invalid IPv6 URL"),
        ("chdb://folder", "expected chdb:///FOLDER"),
        ("chdb:///", "expected chdb:///FOLDER"),
        ("http://host/db", "expected clickhouse://USER"),
        ("learning.db", "expected clickhouse://USER"),
    ],
)
def test_invalid_address_is_one_line_with_the_reason(text, reason):
    """It says what is expected."""
    with pytest.raises(ConfigurationError) as raised:
        Address.parse(text)

    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "clickhouse://me:hunter2@host:8123/db",
        "clickhouse://me:hunter2@host:x/db",
        "clickhouse://me:hun@ter2hunter2@host/db?no=1",
        "clickhouse://me:hunter2#@host/db",
        "clickhouse://me:hunter2/x@host/db",
        "clickhouse://me:hunter2?@host/db",
        "clickhouse://me:hunter2\N{ACCOUNT OF}@host/db",
        "clickhouse://host/db?user=me&password=hunter2",
    ],
)
def test_password_is_in_no_text(text):
    """Neither in the address as text, nor in an error."""
    try:
        address = Address.parse(text)
        said = f"{address} {address!r}"
    except ConfigurationError as error:
        said = str(error)

    assert "hunter2" not in said
    assert "host" in said


@pytest.mark.parametrize("text", ["ClickHouse://host/db", "http://host:8123/db", "https://host/db"])
def test_wrong_address_is_no_path(text):
    """So what is expected of an address is said, and not that there is no such file."""
    assert is_address(text)


@pytest.mark.parametrize(
    "text", ["learning.db", "/tmp/clickhouse", "clickhouse", "file:x.db", "sqlite:///x.db", ":memory:", None]
)
def test_path_of_a_file_is_no_address(text):
    """What has none of the schemes is a path."""
    assert not is_address(text)
