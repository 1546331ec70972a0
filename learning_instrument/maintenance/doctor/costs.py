"""Checks of costs: unknown ones and why they are, spans that were not understood, and model calls that never came."""

from collections.abc import Iterator
from typing import Any, Final

from ...analytics.group_totals import totals
from ...costs.model_calls import ESTIMATED, PARTIAL, UNPRICED
from ...sqlite.read_only import ReadOnlyDatabase
from ...sqlite.selection import Selection
from .clients import how_to, installed
from .finding import LAST_ROWS, Finding, Severity, executions_are

#: How many models or kinds of spans are named.
_MOST_NAMED: Final = 5

_PRICES: Final = (
    "pip install 'learning_instrument[prices]' for known models, configure(prices=...) for others; then"
    " learning-instrument reprice."
)
_USAGE: Final = "See docs/how-to/model-calls: some clients tell the usage of a stream only when they are asked to."

# What the calls of executions with an unknown cost lack. Of two spans of one call one may say nothing, so calls without
# usage are the reason only where there is no other.
_CAUSES: Final = """
    WITH calls AS (
        SELECT e.execution_id AS id, e.cost_source AS source, coalesce(c.model, e.model, 'unknown') AS model,
            CASE
                WHEN c.trace_id IS NULL AND e.cost_source = 'partial' THEN 'calls that are not here'
                WHEN c.trace_id IS NOT NULL AND c.cost IS NULL
                    AND coalesce(c.input_tokens, 0) = 0 AND coalesce(c.output_tokens, 0) = 0 THEN 'calls without usage'
                WHEN c.cost IS NULL AND instr(c.usage, '"service_tier"') THEN 'service tiers without a price'
                WHEN c.cost IS NULL THEN 'models without a price'
                WHEN c.error_type IS NOT NULL THEN 'calls that failed on their way'
                WHEN c.input_tokens IS NULL OR c.output_tokens IS NULL THEN 'calls that tell one side of their tokens'
                WHEN c.output_tokens <= 1 AND c.finish_reason IS NULL THEN 'streams that broke off'
                ELSE 'tokens of a class without a price'
            END AS cause
        FROM executions AS e LEFT JOIN model_calls AS c
            ON c.execution_id = e.execution_id AND c.cost_source IN ('unpriced', 'partial')
        WHERE e.cost_source IN ('unpriced', 'partial', 'estimated')
    ),
    told AS (SELECT *, cause <> 'calls without usage' AS has_usage FROM calls),
    chosen AS (SELECT *, max(has_usage) OVER (PARTITION BY id) AS any_has_usage FROM told)
    SELECT source, cause, model, count(DISTINCT id) AS executions FROM chosen WHERE has_usage = any_has_usage
    GROUP BY 1, 2, 3 ORDER BY 4 DESC, 2, 3
"""


def unknown_costs(database: ReadOnlyDatabase) -> Iterator[Finding]:
    """Find executions with no cost, or a lower bound or an estimate alone. Their numbers are those of ``summary``."""
    if not (database.has_table("model_calls") and database.has_table("rollup_state")):
        return  # of an older release; another finding says so
    found = totals(database, (), Selection(), ("unpriced", "partial")).get(())
    rows = database.query(_CAUSES)
    unpriced, partial = (0, 0) if found is None else (found.count("unpriced"), found.count("partial"))
    if unpriced:
        causes = [row for row in rows if row["source"] == UNPRICED]
        yield Finding(
            "unpriced models",
            Severity.WARNING,
            f"{executions_are(unpriced, 'has', 'have')} an unknown cost ({UNPRICED}): {_named(causes)}.",
            _remedy(causes),
        )
    if partial:
        causes = [row for row in rows if row["source"] == PARTIAL]
        yield Finding(
            "partial costs",
            Severity.WARNING,
            f"Of the cost of {executions_are(partial, 'only', 'only')} a lower bound is known ({PARTIAL}):"
            f" {_named(causes)}.",
            _remedy(causes),
        )
    causes = [row for row in rows if row["source"] == ESTIMATED]
    if causes:
        yield Finding(
            "estimated costs",
            Severity.NOTE,
            f"Costs are what the pool said ({ESTIMATED}) where those of calls are unknown: {_named(causes)}.",
            _remedy(causes),
        )


def _named(rows: list[dict[str, Any]]) -> str:
    """Return causes, the commonest first, each with its models."""
    models: dict[str, list[str]] = {}
    for row in rows[:_MOST_NAMED]:
        models.setdefault(row["cause"], []).append(f"{row['model']} ({row['executions']:,})")
    named = "; ".join(f"{cause}: {', '.join(of_cause)}" for cause, of_cause in models.items())
    return f"{named}{', and others' if len(rows) > _MOST_NAMED else ''}"


def _remedy(rows: list[dict[str, Any]]) -> str:
    return " ".join(dict.fromkeys(_PRICES if "without a price" in row["cause"] else _USAGE for row in rows)) or _PRICES


def unknown_spans(database: ReadOnlyDatabase) -> Iterator[Finding]:
    """Find spans that looked like model calls and were not understood."""
    if not database.has_table("unknown_spans"):
        return
    rows = database.query("SELECT scope, operation, spans FROM unknown_spans ORDER BY spans DESC, scope, operation")
    if rows:
        named = ", ".join(
            f"{row['scope'] or 'no scope'}: {row['operation'] or 'no operation'} ({row['spans']:,})"
            for row in rows[:_MOST_NAMED]
        )
        others = ", and others" if len(rows) > _MOST_NAMED else ""
        yield Finding(
            "unknown spans",
            Severity.WARNING,
            "Spans that look like model calls were not understood, so their tokens and costs are missing:"
            f" {named}{others}.",
            "Instrument the client by a library of docs/reference/model-calls, or report the attributes of such spans.",
        )


def no_model_calls(database: ReadOnlyDatabase) -> Iterator[Finding]:
    """Find that no model call ever came, though executions name a model or a tier."""
    if not database.has_table("model_calls") or database.query("SELECT 1 FROM model_calls LIMIT 1"):
        return
    (row,) = database.query(
        "SELECT max(model IS NOT NULL OR (model_tier <> 'unknown' AND NOT instr(defaulted, '\"model_tier\"')))"
        " AS named, max(cost_source IS NOT NULL) AS called FROM executions"
        " WHERE rowid > (SELECT max(rowid) FROM executions) - ?",
        [LAST_ROWS],
    )
    if row["called"] or not row["named"]:  # imported executions may have come without their calls
        return
    clients = list(installed())
    yield Finding(
        "no model calls",
        Severity.NOTE,
        "Executions name a model or a tier, and no model call ever came: tokens and costs are what results report."
        + (f" Installed here: {'; '.join(f'{client.name} {found}' for client, found in clients)}." if clients else ""),
        f"Switch on the spans, once, after configure(). {'; '.join(f'{c.name}: {how_to(c)}' for c, _ in clients)}."
        if clients
        else "Switch on the client's spans (docs/how-to/model-calls). None of the clients known is installed in this"
        " environment: doctor names the line where the application runs.",
    )


#: The checks, in the order of their findings.
COSTS: Final = (unknown_costs, unknown_spans, no_model_calls)
