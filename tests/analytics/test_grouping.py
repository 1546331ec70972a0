"""Costs and performance by any column and key of metadata, of any executions: what the rows say."""

import dataclasses
from collections import defaultdict
from datetime import datetime, timedelta, timezone

import pytest
from executions import NEW, START, Asked, database_of, is_partial, new_database, spent, spent_on_failures
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import (
    GroupSpend,
    Performance,
    Selection,
    Version,
    compare,
    costs,
    error_groups,
    performance,
    similar_executions,
    solution_patterns,
    summary,
)
from learning_instrument.analytics.executions import latest
from learning_instrument.errors import ConfigurationError
from learning_instrument.outcome import Outcome
from learning_instrument.record import row_from_record
from learning_instrument.rollups import error_counts
from learning_instrument.sqlite.dimensions import is_column, value_in

CUSTOMERS = st.sampled_from(["acme", "glo'bex", None, 7, True, "unknown", 1.5])
TAGGED = st.builds(
    lambda record, customer, model, odd: dataclasses.replace(
        record, model=model, metadata={"task": {"customer": customer, 'a."b c"': odd}}
    ),
    NEW,
    CUSTOMERS,
    st.sampled_from(["gpt", "claude", None]),
    st.integers(0, 2),
)
WAYS = [
    ("model",), ("metadata.customer",), ('metadata.a."b c"',), ("metadata.customer", "model"), ("service_name",),
    ("metadata.customer", "day"), ("outcome", "metadata.customer"), ("metadata.nothing",),
]  # fmt: skip
WHERE = [
    {}, {"metadata.customer": "acme"}, {"metadata.customer": "unknown"}, {"metadata.customer": "7"},
    {"metadata.customer": "true", "model": "gpt"}, {"repo": "a", "metadata.customer": "glo'bex"}, {"model": "claude"},
    {'metadata.a."b c"': "1"},
]  # fmt: skip


def grouped(rows, by, where):
    groups = defaultdict(list)
    for row in rows:
        if all(value_in(row, name) == value for name, value in where.items()):
            groups[tuple(value_in(row, name) for name in by)].append(row)
    return groups


def approx(value):
    return None if value is None else pytest.approx(value, rel=1e-6, abs=1e-6)


@settings(max_examples=30)
@given(
    records=st.lists(TAGGED, max_size=16),
    rolled_up=st.integers(0, 16),
    by=st.sampled_from(WAYS),
    where=st.sampled_from(WHERE),
    limit=st.sampled_from([None, 1, 2, 3]),
    names=st.sampled_from([(), ("metadata.customer",), ("model", 'metadata.a."b c"')]),
)
def test_sums_by_any_name_are_those_of_the_rows(records, rolled_up, by, where, limit, names):
    """With any conditions, the groups beyond a limit together, from rows and from cubes on demand."""
    with database_of(records, rolled_up, names) as asked:
        rows = asked.executions()
        found = costs(asked, Selection(where=where), by=by, limit=limit)
        answers = performance(asked, by, Selection(where=where), limit=limit)

    groups = grouped(rows, by, where)
    chosen = [row for of_group in groups.values() for row in of_group]
    assert found.executions == len(chosen)
    assert found.cost_usd == approx(spent(chosen))
    shown = {group.group: group for group in found.groups if group.groups == 1}
    assert {answer.group for answer in answers if answer.groups == 1} == shown.keys()
    for group, of_group in shown.items():
        assert of_group.executions == len(groups[group])
        assert of_group.cost_usd == approx(spent(groups[group]))
        assert of_group.failures_cost_usd == approx(spent_on_failures(groups[group]))
        assert of_group.partial == sum(map(is_partial, groups[group]))
        assert of_group.unpriced == sum(row["cost_source"] == "unpriced" for row in groups[group])
    found_names = {group[: 1 if by[-1] == "day" else 2] for group in groups}
    merged = [group for group in found.groups if group.groups > 1]
    if limit is None or len(found_names) <= limit + 1:
        assert shown.keys() == groups.keys()
        assert not merged
    else:
        assert {group[: 1 if by[-1] == "day" else 2] for group in shown} < found_names
        assert {group.groups for group in merged} == {len(found_names) - limit}
        assert all("others" in group.group for group in merged)
        rest = [row for group, of_group in groups.items() if group not in shown for row in of_group]
        assert sum(group.executions for group in merged) == len(rest)
        assert sum(group.cost_usd or 0.0 for group in merged) == approx(spent(rest) or 0.0)
        assert sum(answer.executions for answer in answers) == len(chosen)
    if limit is None and "day" not in by:
        assert [group.cost_usd or 0.0 for group in found.groups] == sorted(
            (group.cost_usd or 0.0 for group in found.groups), reverse=True
        )


def test_every_question_takes_conditions(database):
    """Failures, patterns, tasks alike, lists and comparisons of one customer."""
    start = datetime(2026, 11, 1, tzinfo=timezone.utc)
    for customer, count in (("acme", 3), ("globex", 5)):
        database.append(
            ExecutionRecord(
                task_type="t", task_description="mend the parser", timestamp=start + timedelta(minutes=number),
                outcome=outcome, error_message="broken pipe" if outcome is Outcome.ERROR else None,
                solution_summary="restart it", metadata={"task": {"customer": customer, "timestamp": "x"}},
            )
            for number in range(count)
            for outcome in (Outcome.SUCCEEDED, Outcome.ERROR)
        )  # fmt: skip
    database.rebuild_rollups()
    acme = Selection(where="metadata.customer=acme")

    assert summary(database, acme).executions == 6
    report = error_groups(database, acme)
    assert (report.executions, report.failures, report.groups[0].executions) == (6, 3, 3)
    assert error_groups(database, Selection(where="model=unknown")).failures == 8
    assert solution_patterns(database, acme)[0].support == 3
    assert len(similar_executions(database, "mend the parser", acme, limit=99)) == 6
    assert (
        len(similar_executions(database, "mend", Selection(where="metadata.timestamp=x"), limit=99, threshold=0)) == 16
    )
    assert len(list(latest(database, acme))) == 6
    compared = compare(database, Selection(where={"metadata.customer": "acme"}), Version("customer", "globex"))
    assert (compared.before_executions, compared.after_executions) == (6, 10)
    within = compare(
        database, Selection(until=start + timedelta(minutes=1)), Selection(since=start + timedelta(minutes=1)), acme
    )
    assert (within.before_executions, within.after_executions) == (2, 4)


def test_no_group_is_named_as_one_of_its_figures(database):
    """A report shows both by name."""
    figures = {field.name for answer in (Performance, GroupSpend) for field in dataclasses.fields(answer)}
    for name in filter(is_column, figures):
        for question in (costs, performance):
            with pytest.raises(ConfigurationError, match=f"Invalid by '{name}'"):
                question(database, by=("model", name))
    assert costs(database, Selection(where="success=true")).executions == 0


@pytest.mark.parametrize(
    "where", ["customer", "=x", 5, [5], b"model=x", [("a",)], {"model": 5}, "mood=good", {"metadata.": "x"}]
)
def test_conditions_of_another_form_are_refused(where):
    """The message names the form, or the columns."""
    names = r"Invalid where '(|mood|metadata\.)': expected one of attempt, batch_id"
    with pytest.raises(ConfigurationError, match=rf"Invalid condition .* NAME=VALUE|{names}"):
        Selection(where=where)


def test_conditions_of_one_name_all_hold():
    """Two values of one key are no execution's."""
    chosen = Selection(where=["metadata.a=1", "metadata.a=2"], repo="r")

    assert chosen.filters == (("repo", "r"), ("metadata.a", "1"), ("metadata.a", "2"))
    assert str(chosen) == "repo=r, metadata.a=1, metadata.a=2"
    assert str(Selection()) == ".."
    assert hash(chosen) == hash(Selection(where=(("metadata.a", "1"), ("metadata.a", "2")), repo="r"))
    assert Selection(where={"metadata.a=b": "c=d"}).filters == (("metadata.a=b", "c=d"),)


@pytest.mark.parametrize("limit", [0, -1, True, 1.5])
def test_limits_of_no_use_are_refused(database, limit):
    """At least one group is shown."""
    with pytest.raises(ConfigurationError, match="Invalid limit"):
        costs(database, by="model", limit=limit)
    with pytest.raises(ConfigurationError, match="Invalid limit"):
        performance(database, "model", limit=limit)


def test_unknown_types_are_told_apart_by_their_function(database):
    """In reports by task type; a filter for the type takes all of them or one, and the column stays as promised."""
    names = ["shop.crawl.Crawler.fetch"] * 2 + ["shop.crawl.Crawler.store", None]
    database.append([ExecutionRecord(task_type="unknown", function_name=name) for name in names])
    database.append([ExecutionRecord(task_type="fix", function_name="shop.crawl.Crawler.fetch")])

    def counts(by, **selected):
        return {answer.group: answer.executions for answer in performance(database, by, Selection(**selected))}

    unknown = {("unknown: Crawler.fetch",): 2, ("unknown: Crawler.store",): 1, ("unknown",): 1}
    assert counts("task_type") == unknown | {("fix",): 1}
    assert counts("task_type", task_type="unknown") == unknown
    assert counts("task_type", where="task_type=unknown: Crawler.fetch") == {("unknown: Crawler.fetch",): 2}
    assert counts("function_name") == {
        ("shop.crawl.Crawler.fetch",): 3, ("shop.crawl.Crawler.store",): 1, ("unknown",): 1
    }  # fmt: skip
    assert database.query("SELECT DISTINCT task_type FROM executions WHERE task_type LIKE 'unknown%'") == [
        {"task_type": "unknown"}
    ]


@pytest.mark.parametrize("is_counted", [False, True])
def test_failures_of_unknown_types_are_those_of_their_function(is_counted):
    """Also where their counts are kept, which know the type alone."""
    failed = {"task_type": "unknown", "outcome": Outcome.FAILED, "error_message": "no"}
    records = [ExecutionRecord(function_name=name, timestamp=START, **failed) for name in ("m.f", "m.f", "m.g")]

    with new_database() as target:
        target.insert([row_from_record(record) for record in records])
        while is_counted and error_counts.advance(target):
            pass
        asked = Asked(target._path)
        found = [
            sum(group.executions for group in error_groups(asked, Selection(task_type=task_type)).groups)
            for task_type in ("unknown", "unknown: m.f", "unknown: m.h")
        ]

    assert found == [3, 2, 0]
