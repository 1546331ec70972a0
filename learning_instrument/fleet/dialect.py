"""SQLite's SQL as ClickHouse's: questions are written once, in the words of SQLite, and translated here.

``sqlglot`` knows both languages. What is here is where the two mean something else by one word, and what our file has
and a fleet has not: its edges of bins, its index of tasks, its lists of tables.
"""

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

from ..columns import TABLE
from ..errors import ConfigurationError, DatabaseError
from ..rollups import histograms
from ..sqlite.selection import Parameters

try:
    import sqlglot
    from sqlglot import exp
    from sqlglot.generators.clickhouse import ClickHouseGenerator
except ModuleNotFoundError as missing:
    raise ConfigurationError(
        f"{missing.name} is not installed: pip install 'learning-instrument[scale]' to ask a fleet."
    ) from missing

#: What stands between quotes is left alone; a list after IN is one parameter, however long.
_MARKS: Final = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\bIN \((?P<list>\?(?:,\?)*)\)|(?P<one>\?)")
#: The parts of a path to a JSON value.
_PATH: Final = re.compile(r'\.(?:"([^"]*)"|(\w+))')
_LARGEST: Final = 2**63
#: A limit of -1 is none.
_NO_LIMIT: Final = 2**62
_ROWID: Final = "rowid"
#: NULLs are first in SQLite; naming them would keep ClickHouse from the order that these are stored in.
_NEVER_NULL: Final = frozenset({_ROWID, *(column.name for column in TABLE if column.is_not_null)})
#: Columns of ASCII, which need no counting of characters.
_ASCII: Final = frozenset({"timestamp", "moment", "bucket"})
#: What the views have beside the columns that SQLite has.
_HIDDEN: Final = (_ROWID, "message_template", "words")
#: What SQLite lists its tables, columns and functions in.
_LISTS: Final = {
    "sqlite_master": "(SELECT name, 'table' AS type FROM system.tables WHERE database = currentDatabase())",
    "pragma_table_info": "(SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {0}"
    f" AND name NOT IN {_HIDDEN})",
    "pragma_function_list": "(SELECT name FROM system.functions)",
}
#: The lower edge of the bin of a value, looked up once in a query: the edges are the same 1013 numbers as in a file.
_LOW: Final = "roundDown({0}, (SELECT any(edges) FROM learning_instrument_edges))"
_BIN: Final = (
    f"if({{0}} < {histograms.LOWEST}, 0,"
    f" toInt64(round(log({_LOW} / {histograms.LOWEST}) / {math.log(histograms.RATIO)!r})) + 1)"
)
#: Milliseconds from the start of Julian days to that of Unix time, and those of a day.
_JULIAN: Final = 210_866_760_000_000
_DAY: Final = 86_400_000.0
#: Name of a function of SQLite -> the same in ClickHouse.
_FUNCTIONS: Final = {
    "total": "ifNull(sum(toFloat64({0})), 0.0)",
    "json_valid": "isValidJSON({0})",
    "julianday": "((intDiv(toUnixTimestamp64Micro(parseDateTime64BestEffortOrNull({0}, 6, 'UTC')) + 500, 1000)"
    f" + {_JULIAN}) / {_DAY})",
}
#: A number as SQLite writes it: 15 digits, and a point among them.
_REAL: Final = "replaceRegexpOne(printf('%.15g', {0}), '^(-?[0-9]+)(e.*)?$', '\\\\1.0\\\\2')"
_JSON: Final = (
    "multiIf(JSONType({0}) = 'String', JSONExtractString({0}),"
    f" JSONType({{0}}) IN ('Double', 'UInt64'), {_REAL.format('JSONExtractFloat({0})')},"
    " JSONType({0}) = 'Null', NULL, JSONExtractRaw({0}))"
)


class _Translation(NamedTuple):
    sql: str
    #: The parameters that it has, and those of them that are limits.
    names: frozenset[str]
    limits: frozenset[str]


def translated(sql: str, parameters: Parameters = ()) -> tuple[str, dict[str, Any]]:
    """Return a question in SQLite's SQL as one in ClickHouse's, and its parameters, which the server puts in.

    Args:
        sql: with ``:name`` or ``?`` for parameters.
        parameters: their values: None, numbers, text, bytes.

    Raises:
        DatabaseError: for SQL that is no question of ours, or a parameter that is missing or of another type.
    """
    named, lengths = _named(sql)
    values = dict(parameters) if isinstance(parameters, Mapping) else _numbered(parameters, lengths)
    bound = {name: _bound(name, value) for name, value in values.items()}
    found = _translation(named, tuple(sorted((name, kind) for name, (kind, _) in bound.items())))
    given = {name: bound[name][1] for name in found.names}
    for name in found.limits:
        given[name] = _NO_LIMIT if given[name] < 0 else given[name]
    return found.sql, given


@functools.lru_cache(maxsize=1024)
def _named(sql: str) -> tuple[str, tuple[int | None, ...]]:
    """Return *sql* with a name for each mark, and of each how many values it has; None: one, and not as a list."""
    lengths: list[int | None] = []

    def name(found: "re.Match[str]") -> str:
        if found["one"] is None and found["list"] is None:
            return found[0]
        lengths.append(None if found["one"] else found["list"].count("?"))
        return f":p{len(lengths) - 1}" if found["one"] else f"IN (:p{len(lengths) - 1})"

    return _MARKS.sub(name, sql), tuple(lengths)


def _numbered(values: Sequence[Any], lengths: Sequence[int | None]) -> dict[str, Any]:
    expected = sum(length or 1 for length in lengths)
    if len(values) != expected:
        raise DatabaseError(f"Invalid number of parameters {len(values)}: expected {expected}, one for each ?.")
    left, named = list(values), {}
    for number, length in enumerate(lengths):
        some, left = left[: length or 1], left[length or 1 :]
        named[f"p{number}"] = some[0] if length is None else some
    return named


def _bound(name: str, value: Any) -> tuple[str, Any]:
    """Return the type of a parameter, and the value as the server takes it."""
    if isinstance(value, list):
        kinds = {kind for each in value if (kind := _bound(name, each)[0])}
        of_list = kinds.pop() if len(kinds) == 1 else "UInt128" if kinds == {"Int64", "UInt128"} else None
        if kinds and of_list is None:
            raise DatabaseError(f"The fleet cannot answer: parameter {name} has values of several types.")
        return f"Array({of_list or 'String'})", [each for each in value if each is not None]  # NULL is in no list
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "", None
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise DatabaseError(f"The fleet cannot answer: invalid text {value!r:.40}: expected UTF-8.") from error
        return "String", value
    if isinstance(value, float):
        return "Float64", value
    if isinstance(value, int) and -_LARGEST <= value < 2 * _LARGEST**2:
        return "Int64" if value < _LARGEST else "UInt128", int(value)
    if isinstance(value, bytes):
        return "bytes", value.hex()
    raise DatabaseError(
        f"The fleet cannot answer: parameter {name} is {value!r:.40}, expected text, bytes, a number or None."
    )


@functools.lru_cache(maxsize=512)
def _translation(sql: str, kinds: tuple[tuple[str, str], ...]) -> _Translation:
    try:
        tree = sqlglot.parse_one(sql, read="sqlite")
    except sqlglot.errors.SqlglotError as error:
        raise DatabaseError(f"The fleet cannot answer: {str(error).splitlines()[0]}") from error
    if not isinstance(tree, exp.Query):
        raise DatabaseError("The fleet cannot answer: expected a question, and it is only read.")
    limits: set[str] = set()
    for node in [*tree.walk()]:
        if isinstance(node, (exp.Limit, exp.Offset)):
            _without_no_limit(node, limits)
        elif rule := _RULES.get(type(node)):
            rule(node)
    of_name, names = dict(kinds), set()
    for mark in tree.find_all(exp.Placeholder):
        if mark.name not in of_name:
            raise DatabaseError(f"The fleet cannot answer: there is no parameter {mark.name}.")
        mark.set("kind", of_name[mark.name])
        if of_name[mark.name]:
            names.add(mark.name)
    return _Translation(
        _Writer(dialect="clickhouse", identify=True).generate(tree),
        frozenset(names),
        frozenset(limits & names),
    )


def _without_no_limit(node: exp.Expr, limits: set[str]) -> None:
    most = node.expression
    if isinstance(most, exp.Neg):
        node.pop()
    elif isinstance(most, exp.Placeholder):
        limits.add(most.name)


def _ordered(node: exp.Expr) -> None:
    if isinstance(node.this, exp.Column) and node.this.name in _NEVER_NULL:
        node.set("nulls_first", False)


def _without_index(node: exp.Expr) -> None:
    """Leave out where to look for the executions of a task: what to look for is said beside it."""
    query = node.args.get("query")
    if (
        node.this.name == _ROWID
        and query is not None
        and any(table.name == "task_ids" for table in query.find_all(exp.Table))
    ):
        node.replace(exp.true())
    elif query is None and not node.expressions:
        node.replace(exp.false())
    elif len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Values):
        node.set("expressions", node.expressions[0].expressions)


def _named_columns(node: exp.Expr) -> None:
    """Name the columns of a common table where it selects them."""
    alias = node.args["alias"]
    if isinstance(node.this, exp.Select) and len(alias.columns) == len(node.this.expressions):
        columns = [
            exp.alias_(each.unalias(), name) for each, name in zip(node.this.expressions, alias.columns, strict=True)
        ]
        node.this.set("expressions", columns)
        alias.set("columns", None)


def _from_json(node: exp.Expr) -> None:
    """Read the keys of a JSON object, which are all that is asked of one."""
    if isinstance(node.this, exp.Table) and _name_of(node.this) == "json_each":
        keys = exp.Anonymous(this="JSONExtractKeys", expressions=[*node.this.this.expressions])
        node.replace(exp.Join(this=exp.alias_(keys, "key"), kind="ARRAY"))


def _select(node: exp.Expr) -> None:
    largest = [each for each in node.expressions if isinstance(each.unalias(), exp.Max)]
    if len(largest) == 1 and node.args.get("group") is not None:
        # A bare column beside a max() is that of the row which has it.
        grouped = {each.name for each in node.args["group"].expressions}
        for number, each in enumerate(node.expressions):
            column = each.unalias()
            if isinstance(column, exp.Column) and not grouped & {column.name, str(number + 1)}:
                column.replace(exp.ArgMax(this=column.copy(), expression=largest[0].unalias().this.copy()))


def _name_of(table: exp.Table) -> str:
    """Return the name of a table, or of the function that is one."""
    return str(table.this.name).lower()


#: Kind of node -> what changes it.
_RULES: Final[dict[type, Callable[[exp.Expr], None]]] = {
    exp.CTE: _named_columns,
    exp.In: _without_index,
    exp.Join: _from_json,
    exp.Ordered: _ordered,
    exp.Select: _select,
}


class _Writer(ClickHouseGenerator):
    """Writes ClickHouse's SQL, so that it says what SQLite's does."""

    TRANSFORMS: ClassVar = {
        kind: write
        for kind, write in ClickHouseGenerator.TRANSFORMS.items()
        if kind not in (exp.TimeToStr, exp.Trim, exp.Typeof)
    }

    def placeholder_sql(self, node: exp.Placeholder) -> str:
        kind = node.args["kind"]
        if kind == "bytes":
            return f"unhex({{{node.name}:String}})"
        return f"{{{node.name}:{kind}}}" if kind else "NULL"

    def anonymous_sql(self, node: exp.Anonymous) -> str:
        if node.name == "JSONExtractKeys":
            return f"JSONExtractKeys({self._path(node.expressions[0], node.expressions[1].name)})"
        template = _FUNCTIONS.get(node.name.lower())
        return super().anonymous_sql(node) if template is None else template.format(*map(self.sql, node.expressions))

    def round_sql(self, node: exp.Round) -> str:
        value = f"({self.sql(node, 'this')})"
        return f"trunc({value} + if({value} < 0, -0.5, 0.5))"  # ClickHouse rounds halves to even

    def substring_sql(self, node: exp.Substring) -> str:
        name = "substring" if node.this.name in _ASCII else "substringUTF8"
        return self.func(name, node.this, node.args["start"], node.args.get("length"))

    def groupconcat_sql(self, node: exp.GroupConcat) -> str:
        separator = node.args.get("separator") or exp.Literal.string(",")
        return f"arrayStringConcat(groupArray({self.sql(node, 'this')}), {self.sql(separator)})"

    def trim_sql(self, node: exp.Trim) -> str:
        value, characters = self.sql(node, "this"), node.expression
        if isinstance(characters, exp.Replace) and characters.this == node.this:
            # All but dots is trimmed, and ClickHouse trims none but fixed characters.
            return f"replaceRegexpOne({value}, '[^.]*$', '')"
        return super().trim_sql(node)

    def greatest_sql(self, node: exp.Greatest) -> str:
        return self._of_one_type("greatest", node)

    def least_sql(self, node: exp.Least) -> str:
        return self._of_one_type("least", node)

    def _of_one_type(self, name: str, node: exp.Expr) -> str:
        values = [node.this, *node.expressions]
        written = [self.sql(value) for value in values]
        if any(isinstance(each, exp.Literal) and not each.is_int for value in values for each in (value, value.this)):
            written = [f"toFloat64({value})" for value in written]
        return f"{name}({', '.join(written)})"

    def timetostr_sql(self, node: exp.TimeToStr) -> str:
        return (
            f"formatDateTime(fromUnixTimestamp64Milli(toInt64(({self.sql(node.this, 'this')}) * {_DAY} + 0.5)"
            f" - {_JULIAN}, 'UTC'), {self.sql(node, 'format').replace('%M', '%i')})"
        )

    def nullsafeeq_sql(self, node: exp.NullSafeEQ) -> str:
        return self._null_safe(node, "=", 0)

    def nullsafeneq_sql(self, node: exp.NullSafeNEQ) -> str:
        return self._null_safe(node, "<>", 1)

    def _null_safe(self, node: exp.Binary, sign: str, of_null: int) -> str:
        # IS DISTINCT FROM came to ClickHouse late, and uses no index.
        return f"ifNull({self.sql(node, 'this')} {sign} {self.sql(node, 'expression')}, {of_null})"

    def is_sql(self, node: exp.Is) -> str:
        if isinstance(node.expression, exp.Boolean):
            return f"(coalesce({self.sql(node, 'this')} {'<>' if node.expression.this else '='} 0, 0))"
        return super().is_sql(node)

    def datatype_sql(self, node: exp.DataType) -> str:
        if node.this in exp.DataType.INTEGER_TYPES:
            return "Nullable(Int64)"
        return "Nullable(Float64)" if node.this in exp.DataType.REAL_TYPES else super().datatype_sql(node)

    def case_sql(self, node: exp.Case) -> str:
        if isinstance(node.this, exp.JSONType):
            return self._json(node.this.this, node.this.expression.name)
        return super().case_sql(node)

    def subquery_sql(self, node: exp.Subquery, sep: str = " AS ") -> str:
        source = node.this.args.get("from_")
        table = source.this if source is not None else None
        if isinstance(table, exp.Table) and _name_of(table) == "json_each" and node.this.args.get("where"):
            key = node.this.args["where"].this.expression.name
            return self._json(table.this.expressions[0], table.this.expressions[1].name, key)
        if isinstance(node.parent, exp.From) or not any(
            each.name == "rollup_bins" for each in node.find_all(exp.Table)
        ):
            return super().subquery_sql(node, sep)
        return self._of_bins(node)

    def _of_bins(self, node: exp.Subquery) -> str:
        """Write a look-up of the bin that a value is in, or of what is worked out from the edges of it."""
        value = f"({self.sql(node.find(exp.LTE), 'expression')})"
        low = _LOW.format(value)
        if node.this.expressions[0].name == "bin":
            return _BIN.format(value)
        known = {"log": f"log({low})", "rest": f"({value} / {low} - 1)"}
        formula = node.this.expressions[0].transform(
            lambda each: exp.Var(this=known[each.name]) if isinstance(each, exp.Column) else each
        )
        return f"({self.sql(formula)})"

    def typeof_sql(self, node: exp.Typeof) -> str:
        return "'text'"  # that of a key

    def _json(self, document: exp.Expr, path: str, *more: str) -> str:
        return _JSON.format(self._path(document, path, *more))

    def _path(self, document: exp.Expr, path: str, *more: str) -> str:
        keys = [quoted or plain for quoted, plain in _PATH.findall(path)]
        return ", ".join([self.sql(document), *(self.sql(exp.Literal.string(key)) for key in (*keys, *more))])

    def table_sql(self, node: exp.Table, sep: str = " AS ") -> str:
        template = _LISTS.get(_name_of(node))
        if template is None:
            return super().table_sql(node, sep)
        arguments = node.this.expressions if isinstance(node.this, exp.Anonymous) else []
        return template.format(*map(self.sql, arguments))
