"""Makes, migrates, checks and drops our objects in ClickHouse, which ``schema.sql`` has."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shlex import quote
from typing import Any, Final

from ..costs.model_calls import TELLING_KEYS
from ..errors import DatabaseError, SchemaVersionError
from ..rollups import histograms
from ..version import __version__
from .address import Address
from .client import Client, connect

SPANS: Final = "otel_traces"
_STATE: Final = "learning_instrument_state"
_MARK: Final = "learning_instrument"
_FILE: Final = Path(__file__).with_name("schema.sql")
_SECTION: Final = re.compile(r"^-- (spans|version (\d+)|views)$", re.MULTILINE)
_NAME: Final = re.compile(r"CREATE (TABLE IF NOT EXISTS|MATERIALIZED VIEW|VIEW) (\w+)")
_ATTRIBUTE: Final = re.compile(r"\b(span|resource|json)_attribute\('([^']+)'\)")
_FUNCTION: Final = re.compile(r"\b(span|telling)_keys\(\)")
_COMMENT: Final = re.compile(r"\nCOMMENT '[^']*'$")
#: The mark of back-fill: the oldest hour that is filled in, and then this.
BACKFILL: Final = "backfill"
FILLED_IN: Final = "done"


@dataclass(frozen=True, slots=True)
class Schema:
    """What ``schema.sql`` has: the statements of each version of the tables, and those of the views by their names."""

    versions: tuple[tuple[str, ...], ...]
    views: dict[str, str]
    #: The one that makes the Collector's table.
    spans: str

    @classmethod
    def parse(cls, text: str) -> "Schema":
        """Return the schema of a file's *text*."""
        _, *parts = _SECTION.split(text)
        sections = dict(zip(parts[::3], map(_statements, parts[2::3]), strict=True))
        (spans,), views = sections.pop("spans"), sections.pop("views")
        return cls(tuple(sections.values()), {_name(statement): statement for statement in views}, spans)

    @property
    def version(self) -> int:
        """The number of the newest version."""
        return len(self.versions)

    @property
    def tables(self) -> list[str]:
        """The names of the tables."""
        return [_name(statement) for section in self.versions for statement in section if _NAME.search(statement)]


@cache
def released() -> Schema:
    """Return the schema of this release."""
    return Schema.parse(_FILE.read_text(encoding="utf-8"))


def init(
    client: Client,
    schema: Schema | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    makes_spans: bool = False,
) -> None:
    """Make what is missing, migrate what an older release made, and fill in the executions of the spans that are there.

    Run again, it does no more than that. What was interrupted goes on.

    Args:
        client: a connection whose user may create tables.
        schema: that of this release by default.
        progress: called with the number of hours that are filled in, and of all.
        makes_spans: whether to make the Collector's table where it is missing.

    Raises:
        DatabaseError: if the Collector's table is missing, the schema is newer, or something of this name is not ours.
    """
    schema = schema or released()
    _refuse_strangers(client, schema)
    state = read_state(client)
    found = int(state.get("schema", 0))
    _refuse_newer(client, found, schema)
    if makes_spans:
        client.execute(schema.spans)
    write_out = _dialect(client)
    for statements in schema.versions[found:]:
        for statement in statements:
            client.execute(statement)
    client.insert("learning_instrument_edges", ("edges",), [(histograms.EDGES,)])
    existing = _existing(client)
    attributes = write_out("span_keys()")
    for name, statement in schema.views.items():
        _make_view(client, name, write_out(statement), name in existing)
    was_complete = found == schema.version and schema.views.keys() <= existing.keys()
    if not was_complete or state.get("attributes") != attributes:
        write_state(client, **{BACKFILL: ""})
    write_state(client, schema=str(schema.version), release=__version__, attributes=attributes)
    _fill_in(client, schema, write_out, progress)


def drop(client: Client, schema: Schema | None = None) -> bool:
    """Drop our tables and views, and tell whether there were any.

    The Collector's table stays, also where :func:`init` made it. The views on it go first, so that no insert fails.

    Raises:
        DatabaseError: if something cannot be dropped.
    """
    schema = schema or released()
    ours = {name for name, comment in _existing(client).items() if comment.startswith(_MARK)}
    for name in [*reversed(schema.views), *reversed(schema.tables)]:
        if name in ours:
            client.execute(f"DROP TABLE IF EXISTS {name} SYNC")
    return bool(ours)


def connect_to_fleet(address: Address) -> Client:
    """Return a connection to the fleet at *address*, which this release can ask.

    Raises:
        ConfigurationError: if the extra ``scale`` is not installed.
        DatabaseError: if it cannot be reached, or :func:`check` refuses it.
    """
    client = connect(address)
    try:
        check(client)
    except BaseException:  # raised again, with the connection closed
        client.close()
        raise
    return client


def check(client: Client, schema: Schema | None = None) -> None:
    """Refuse a database that this release cannot ask.

    Raises:
        SchemaVersionError: if a newer release made it.
        DatabaseError: if it was not made, or by an older release.
    """
    schema = schema or released()
    found = int(read_state(client).get("schema", 0))
    _refuse_newer(client, found, schema)
    if found < schema.version:
        what = "has no tables of learning-instrument" if not found else f"has the schema {found} of an older release"
        raise DatabaseError(f"{client.address} {what}: run learning-instrument fleet init {quote(str(client.address))}")


def read_state(client: Client) -> dict[str, str]:
    """Return what is known of the schema, of back-fill and of refresh: nothing before :func:`init`.

    Raises:
        DatabaseError: if it cannot be read.
    """
    if _STATE not in _existing(client):
        return {}
    return {row["name"]: row["value"] for row in client.rows(f"SELECT name, value FROM {_STATE} FINAL")}


def has_json(client: Client) -> bool:
    """Tell whether the Collector's table has attributes as JSON; else they are maps of texts.

    Raises:
        DatabaseError: if it cannot be read.
    """
    return read_state(client)["attributes"].startswith("JSON")


def write_state(client: Client, **values: str) -> None:
    """Store *values*, each under its name.

    Raises:
        DatabaseError: if they cannot be stored.
    """
    client.insert(_STATE, ("name", "value"), [*values.items()])


def _fill_in(
    client: Client, schema: Schema, write_out: Callable[[str], str], progress: Callable[[int, int], None] | None
) -> None:
    """Insert the executions and arrivals of the spans that are there, the newest hour first.

    The views have those that arrive meanwhile. What is filled in twice counts once: it has one key, and version 0.
    """
    reached = read_state(client).get(BACKFILL, "")
    if reached == FILLED_IN:
        return
    hours = [
        row["hour"]
        for row in client.rows(
            "SELECT formatDateTime(toStartOfHour(Timestamp, 'UTC'), '%Y-%m-%d %H:00:00', 'UTC') AS hour"
            f" FROM {SPANS} GROUP BY hour ORDER BY hour DESC"
        )
    ]
    filled = [
        _insert_hour(client, name, write_out(statement))
        for name, statement in schema.views.items()
        if f"FROM {SPANS}" in statement
    ]
    for number, hour in enumerate(hours, 1):
        if not reached or hour < reached:
            for statement in filled:
                client.execute(statement, {"hour": hour})
            write_state(client, **{BACKFILL: hour})
        if progress is not None:
            progress(number, len(hours))
    write_state(client, **{BACKFILL: FILLED_IN})


def _insert_hour(client: Client, name: str, statement: str) -> str:
    """Return the statement that does for an hour's spans what the materialised view called *name* does on insert."""
    columns = ", ".join(_columns(client, name))
    target, select = _parts(statement)
    is_within = (
        "Timestamp >= toDateTime64({hour:String}, 9, 'UTC')"
        " AND Timestamp < toDateTime64({hour:String}, 9, 'UTC') + INTERVAL 1 HOUR"
    )
    spans = f"(SELECT * FROM {SPANS} WHERE {is_within})"
    return f"INSERT INTO {target} ({columns}) {select.replace(f'FROM {SPANS}', f'FROM {spans}')}"


def _parts(statement: str) -> tuple[str, str]:
    """Return the table that a materialised view writes to, and its query."""
    head, _, select = _COMMENT.sub("", statement).partition(" AS\n")
    return head.rpartition(" TO ")[2], select


def _make_view(client: Client, name: str, statement: str, exists: bool) -> None:
    """Make a view, or give it its newest query, between which no span is missed."""
    if statement.startswith("CREATE VIEW"):
        client.execute(statement.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))
    elif exists:
        client.execute(f"ALTER TABLE {name} MODIFY QUERY {_parts(statement)[1]}")
    else:
        client.execute(statement)


def _columns(client: Client, table: str) -> dict[str, str]:
    """Return the columns of a table with their types; none where there is no such table."""
    rows = client.rows(
        "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}"
        " ORDER BY position",
        {"table": table},
    )
    return {row["name"]: row["type"] for row in rows}


def _dialect(client: Client) -> Callable[[str], str]:
    """Return what writes our own functions out, for the attributes that the Collector's table has.

    Raises:
        DatabaseError: if there is no such table, or another of its name.
    """
    types = _columns(client, SPANS)
    if not types:
        raise DatabaseError(
            f"There is no table {SPANS} in {client.address}: the Collector's clickhouse exporter makes it, with the"
            " first spans that it writes there. For executions that come by push alone: fleet init --without-collector."
        )
    if not types.get("SpanAttributes", "").startswith(("Map(", "JSON")):
        raise DatabaseError(
            f"The table {SPANS} in {client.address} is not the Collector's: its column SpanAttributes is neither a Map"
            " nor JSON. Let the Collector's clickhouse exporter make one, in another database or in place of it."
        )
    is_json = types["SpanAttributes"].startswith("JSON")
    keys = ", ".join(f"'{key}'" for key in sorted(TELLING_KEYS))
    others = {
        "span_keys()": "JSONAllPaths(SpanAttributes)" if is_json else "mapKeys(SpanAttributes)",
        "telling_keys()": f"[{keys}]",
    }

    def attribute(call: "re.Match[str]") -> str:
        kind, key = call.groups()
        holder = "ResourceAttributes" if kind == "resource" else "SpanAttributes"
        if not is_json:
            return f"if(mapContains({holder}, '{key}'), {holder}['{key}'], NULL)"
        path = f"{holder}.{key}"
        return f"nullIf(toJSONString({path}), 'null')" if kind == "json" else f"{path}::Nullable(String)"

    def write_out(sql: str) -> str:
        return _FUNCTION.sub(lambda call: others[call[0]], _ATTRIBUTE.sub(attribute, sql))

    return write_out


def _existing(client: Client) -> dict[str, str]:
    """Return the tables and views of the database, with their comments."""
    rows: list[dict[str, Any]] = client.rows(
        "SELECT name, comment FROM system.tables WHERE database = currentDatabase()"
    )
    return {row["name"]: row["comment"] for row in rows}


def _refuse_strangers(client: Client, schema: Schema) -> None:
    strangers = sorted(
        name
        for name, comment in _existing(client).items()
        if name in {*schema.views, *schema.tables} and not comment.startswith(_MARK)
    )
    if strangers:
        raise DatabaseError(
            f"{client.address} has a table {strangers[0]!r} that is not ours: rename it, or let the Collector write to"
            " another database."
        )


def _refuse_newer(client: Client, found: int, schema: Schema) -> None:
    if found > schema.version:
        raise SchemaVersionError(
            f"{client.address} has the schema {found} of a newer release, and this release knows {schema.version}:"
            " upgrade learning-instrument."
        )


def _statements(section: str) -> tuple[str, ...]:
    without_comments = re.sub(r"^\s*--.*\n", "", section, flags=re.MULTILINE)
    return tuple(statement.strip() for statement in without_comments.split(";\n") if statement.strip())


def _name(statement: str) -> str:
    found = _NAME.search(statement)
    assert found is not None, statement
    return found[2]
