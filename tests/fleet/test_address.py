"""Addresses: what they mean, and that none tells a password."""

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from learning_instrument.errors import ConfigurationError
from learning_instrument.fleet.address import Address, is_address, without_passwords


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
    assert Address.parse(text) == Address.parse(Address.parse(text)) == expected
    assert is_address(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("clickhouse://", "expected clickhouse://USER"),
        ("clickhouse:///db", "expected clickhouse://USER"),
        ("clickhouse://host/db/table", "expected clickhouse://USER"),
        ("clickhouse://host:port/db", "with a PORT from 1 to 65535"),
        ("clickhouse://host:99999/db", "with a PORT from 1 to 65535"),
        ("clickhouse://host:0/db", "with a PORT from 1 to 65535"),
        ("clickhouse://host/db?sec=1", "nothing but ?secure=1 or ?secure=0"),
        ("clickhouse://host/db?secure=perhaps", "nothing but ?secure=1 or ?secure=0"),
        ("clickhouse://host/db?secure", "nothing but ?secure=1 or ?secure=0"),
        ("clickhouse://me:a#b@host/db", "written %2F %3F and %23"),
        ("clickhouse://host/db#x", "expected clickhouse://USER"),
        ("clickhouse://[::1/db", "expected clickhouse://USER"),
        ("chdb://folder", "expected chdb:///FOLDER"),
        ("chdb:folder", "expected chdb:///FOLDER"),
        (None, "expected clickhouse://"),
        ("chdb:///", "expected chdb:///FOLDER"),
        ("chdb:///folder?secure=1", "expected chdb:///FOLDER"),
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


SECRET = "hunter2"
#: What stands around a secret in an address: parts that are there or missing, and marks that end one.
PARTS = st.lists(
    st.sampled_from([*"/?#@:[]&=% \n", "clickhouse://", "chdb://", "me", "host", "8123", "password=", "\N{ACCOUNT OF}"])
    | st.text(max_size=3),
    max_size=8,
).map("".join)


@given(before=PARTS, after=PARTS)
@example("clickhouse://me:", "/db")
@example("clickhouse://host/db?password=p@", "")
@example("clickhouse://me:", "@host:x/db")
@example("clickhouse://me:", "?@host/db")
@example("clickhouse://host/db?secure=", "")
@example("clickhouse://host/db#", "")
@example("me:", "@host/db")
def test_no_error_has_a_part_of_the_address(before, after):
    """Wherever a password stands in it."""
    said = ""
    try:
        Address.parse(f"{before}{SECRET}{after}")
    except ConfigurationError as error:
        said = str(error)

    assert SECRET not in said
    assert "\n" not in said


@given(user=st.text(max_size=5), around=st.tuples(st.text(max_size=5), st.text(max_size=5)))
def test_address_as_text_has_no_password(user, around):
    """And is otherwise the address."""
    password = SECRET.join(around)
    address = Address.parse(f"clickhouse://{quote(user, '')}:{quote(password, '')}@host:8123/db")

    assert address.password == password
    assert SECRET not in f"{address} {address!r}"
    assert str(address) == "clickhouse://host:8123/db"


@pytest.mark.parametrize(
    "text",
    [
        *("ClickHouse://host/db", "http://host:8123/db", "https://host/db", "postgresql://me:pw@host/db"),
        *("clickhouse:/host/db", "clickhouse:host/db", "jdbc:clickhouse://host/db", "clickhouse//me:pw@host"),
        *("me:pw@host:8123/db", "//me:pw@host", ":pw@host", "me@corp:p w@host", "'clickhouse://host'", " chdb:///x"),
    ],
)
def test_wrong_address_is_no_path(text):
    """So what is expected of an address is said, and not that there is no such file."""
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "learning.db",
            "/tmp/clickhouse",
            "clickhouse",
            "file:x.db",
            "sqlite:////home/me@corp/x.db",
            ":memory:",
            None,
        ),
        *(r"C:\Users\me@corp\x.db", "/home/me@corp/x.db", "./12:30@host.db", "git@github.com:x/y", "a b@c.db"),
        *("12:30@home.db", "2026-11-28T10:00:00@eu/x.db", "https.db", "host:x/y@z.db", "C:/x/me@corp.db"),
    ],
)
def test_path_of_a_file_is_no_address(text):
    """What has neither a scheme nor a password is a path."""
    assert not is_address(text)


def test_blanks_around_an_address_are_not_part_of_it():
    """They come of copying."""
    assert Address.parse(" clickhouse://host/db\n") == Address("host", 8123, database="db")


@given(
    message=st.sampled_from(["{}", "Cannot read {}: no such file.", "Got ({} x@y)", "'{}'", "There is no /tmp/{}."]),
    before=st.sampled_from(
        ["clickhouse://me:", "clickhouse:/me:", "jdbc:clickhouse://me:", "clickhouse//me:", "me:", "me@corp:", "//:"]
    ),
    around=st.tuples(st.text(max_size=5), st.text(max_size=5)),
)
@example("{}", "clickhouse://me:", ("a @/b ", "@ c/"))
def test_message_has_no_password_of_an_address(message, before, around):
    """Whatever is in the password, and mistyped ones; but for blanks and what looks like a port or a path in it."""
    start, end = around if "//" in before else ("".join(part.split()) for part in around)
    start = f"x{start}"

    assert SECRET not in without_passwords(message.format(f"{before}{start}{SECRET}{end}@host:8123/db"))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("clickhouse://me:pw@host:8123/db is", "clickhouse://me:***@host:8123/db is"),
        ("jdbc:clickhouse://host/db?user=me&password=pw", "jdbc:clickhouse://host/db?user=me&password=***"),
        ("repo=clickhouse://me:long-pass...", "repo=clickhouse://***..."),
    ],
)
def test_message_keeps_the_rest(message, expected):
    """Of an address, where it is."""
    assert without_passwords(message) == expected


@pytest.mark.parametrize(
    "message",
    [
        "The values: git@github.com:me/shop.git (3), git@github.com:me/site.git (2).",
        "Cannot write /home/me@corp/x.db: Permission denied.",
        "clickhouse://host:8123/db cannot be reached: Connection refused.",
        "Invalid time 'me@corp': expected an age (24h, 7d).",
        "No execution has repo=git@github.com:me/shpo.git. The values: repo=git@github.com:me/shop.git (1).",
        "clickhouse://host:8123/db refuses the user 'me@corp': check user and password.",
        "clickhouse://[::1]:8123/db lacks a right: me@corp. GRANT it.",
        "Invalid address of a fleet: expected clickhouse://USER:PASSWORD@HOST:PORT/DATABASE.",
        "There is no /data/2026-11-28T10:00:00/x@y.db, and there was none at 10:00 for me@corp.",
        r"Cannot read C:\Users\me@corp\x.db and D:/me@corp/x.db.",
        "foo.py:12 says that me@host did it.",
    ],
)
def test_message_without_a_password_stays_as_it_is(message):
    """Also where it has an @."""
    assert without_passwords(message) == message
