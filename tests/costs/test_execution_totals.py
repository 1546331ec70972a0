"""What the calls of an execution add up to, and what that does to its row."""

import json

import pytest
from calls import AGENT, START, calls, chat, costs, execution, span, usage

from learning_instrument import ExecutionRecord, SQLiteSpanExporter
from learning_instrument.columns import COLUMNS
from learning_instrument.database import store_of
from learning_instrument.ids import execution_id


@pytest.fixture
def added_up(database):
    """Return a function: the spans of one execution and its calls -> what became of its row."""

    def added_up(*spans):
        SQLiteSpanExporter(database).export(spans)
        (row,) = costs(database)
        return row

    return added_up


def cost_of(row):
    return row["actual_cost"], row["cost_source"], "actual_cost" in json.loads(row["defaulted"])


def priced(span_id, parent_id=1, tokens=(1_000_000, 0)):
    finished = {"gen_ai.response.finish_reasons": ("stop",)}
    return chat(span_id, parent_id, model="gpt-4o-mini", tokens=tokens, **finished)  # 15 cents


def unpriced(span_id, parent_id=1):
    return chat(span_id, parent_id, model="of our own")


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([chat(2, 1, cost=0.1), chat(3, 1, cost=0.2)], (0.3, "reported", False), id="all reported"),
        pytest.param([chat(2, 1, cost=0.1), priced(3)], (0.25, "priced", False), id="one priced"),
        pytest.param([priced(2), unpriced(3)], (0.15, "partial", False), id="one unpriced: at least that"),
        pytest.param([unpriced(2)], (0.0, "unpriced", True), id="none known"),
        pytest.param([chat(2, 1, cost=0.0)], (0.0, "reported", False), id="reported as free"),
    ],
)
def test_cost_source_says_what_the_sum_is_made_of(added_up, spans, expected):
    """Nothing is $0 for lack of a price."""
    assert cost_of(added_up(execution(1), *spans)) == expected


@pytest.mark.parametrize(
    ("spans", "expected", "kept"),
    [
        pytest.param([priced(2)], (0.15, "priced", False), [5.0], id="a price wins over the pool"),
        pytest.param([chat(2, 1, cost=0.1)], (0.1, "reported", False), [5.0], id="so does a reported cost"),
        pytest.param([unpriced(2)], (5.0, "estimated", False), [], id="the pool's figure where there is no price"),
        pytest.param([priced(2), unpriced(3)], (5.0, "estimated", False), None, id="or not one for all"),
        pytest.param(
            [priced(2, tokens=(50_000_000, 0)), unpriced(3)], (7.5, "partial", False), [5.0], id="not below the known"
        ),
    ],
)
def test_pools_own_figure_stands_in_and_stays_readable(added_up, database, spans, expected, kept):
    """In ``reported_costs``, where a sum has taken its place."""
    assert cost_of(added_up(execution(1, COST_ACTUAL=5.0), *spans)) == expected
    if kept is not None:
        assert [row["cost"] for row in database.query("SELECT cost FROM reported_costs")] == kept


def test_pools_figure_comes_back_when_a_price_is_missing(added_up):
    """Call by call, as they arrive."""
    pool = execution(1, COST_ACTUAL=5.0)

    assert cost_of(added_up(pool, priced(2))) == (0.15, "priced", False)
    assert cost_of(added_up(unpriced(3))) == (5.0, "estimated", False)


def test_cost_becomes_a_lower_bound_when_a_price_is_missing(added_up):
    """Call by call."""
    assert cost_of(added_up(execution(1), priced(2))) == (0.15, "priced", False)
    assert cost_of(added_up(unpriced(3))) == (0.15, "partial", False)


def test_estimate_follows_where_it_is_a_copy_and_stays_where_it_is_not(added_up, database):
    """A copy is always marked as one."""
    copy = added_up(execution(1), priced(2))
    SQLiteSpanExporter(database).export([execution(1, trace_id=2, COST_ESTIMATE=0.5), chat(2, 1, trace_id=2, cost=0.1)])
    own = costs(database)[1]

    assert (copy["cost_estimate"], json.loads(copy["defaulted"])) == (0.15, ["cost_estimate"])
    assert (own["cost_estimate"], own["actual_cost"], json.loads(own["defaulted"])) == (0.5, 0.1, [])


def test_other_marks_stay(database):
    """Only that of the cost goes."""
    record = ExecutionRecord(task_type="x", execution_id=execution_id(START + 1, 1, 1))
    database.append([record])

    SQLiteSpanExporter(database).export([execution(1), chat(2, 1, cost=0.1)])

    (row,) = costs(database)
    assert json.loads(row["defaulted"]) == [c for c in record.defaulted if c != "actual_cost"]
    assert json.loads(row["defaulted"]) == [c for c in COLUMNS if c in json.loads(row["defaulted"])]


def test_model_is_the_one_that_took_the_most_tokens(added_up):
    """Not the one that was called the most."""
    row = added_up(
        execution(1),
        chat(2, 1, model="small", tokens=(10, 10)),
        chat(3, 1, model="small", tokens=(10, 10)),
        chat(4, 1, model="large", tokens=(50, 0)),
    )

    assert (row["model"], row["input_tokens"], row["output_tokens"]) == ("large", 70, 20)


@pytest.mark.parametrize("is_first", [True, False])
def test_run_tells_what_its_calls_do_not(database, is_first):
    """Whether it arrived before them, and was counted, or after them."""
    run = span(2, 1, {**usage(model="big", tokens=None), **AGENT})
    said = {"gen_ai.operation.name": "chat", "gen_ai.usage.output_tokens": 5}
    spans = [run, span(3, 2, said)] if is_first else [span(3, 2, said), run]

    for each in (execution(1), *spans):
        SQLiteSpanExporter(database).export([each])
        database.flush()

    (row,) = costs(database)
    assert (row["model"], row["input_tokens"], row["output_tokens"]) == ("big", 1000, 5)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_run_around_a_nested_execution_repeats_its_calls(database, order):
    """They count for the inner execution; before they arrive, and for the next run, the run counts."""
    nested = execution(3, 2, PARENT_EXECUTION_ID=execution_id(START + 1, 1, 1))
    spans = [execution(1), span(2, 1, {**usage(), **AGENT}), nested, chat(4, 3)]

    for index in order:
        SQLiteSpanExporter(database).export([spans[index]])
        database.flush()

    assert [(row["span_id"][-1], row["input_tokens"]) for row in costs(database)] == [("1", None), ("3", 10)]
    assert cost_of(costs(database)[0]) == (0.0, None, True)


def test_calls_without_counts_leave_the_tokens_as_reported(added_up):
    """NULL is not 0."""
    row = added_up(execution(1, INPUT_TOKENS=7), chat(2, 1, tokens=None, cost=0.5))

    assert (row["input_tokens"], row["output_tokens"], row["actual_cost"]) == (7, None, 0.5)


def test_failed_call_that_used_nothing_does_not_count(added_up, database):
    """A refused request, tried again, leaves the cost known."""
    refused = span(2, 1, {**usage("gpt-4o-mini", None), "error.type": "RateLimitError"})

    row = added_up(execution(1), refused, priced(3))

    assert cost_of(row) == (0.15, "priced", False)
    assert [call["error_type"] for call in calls(database)] == ["RateLimitError", None]


def test_outer_call_that_says_nothing_leaves_the_inner_one_its_place(added_up):
    """Some libraries count tokens at the client only."""
    row = added_up(execution(1), chat(2, 1, tokens=None), chat(3, 2, cost=0.5), chat(4, 2, cost=0.25))

    assert (row["input_tokens"], row["actual_cost"], row["cost_source"]) == (20, 0.75, "reported")


def test_call_on_the_executions_own_span_counts(added_up):
    """Where a library writes onto the span that is current; calls below are others."""
    own = execution(1, OPERATION_NAME="chat", REQUEST_MODEL="m", INPUT_TOKENS=3, OUTPUT_TOKENS=2, TOTAL_COST=0.5)

    row = added_up(own, chat(2, 1, cost=0.25))

    assert (row["input_tokens"], row["output_tokens"], row["actual_cost"]) == (13, 7, 0.75)


def test_rows_without_calls_are_left_alone(added_up):
    """Nothing is rolled up, and nothing says so."""
    row = added_up(execution(1, COST_ACTUAL=5.0))

    assert (row["actual_cost"], row["cost_source"]) == (5.0, None)


# Deleted rows, and rows that replace one.


def test_calls_go_with_their_execution(added_up, database):
    """Retention and pruning delete executions; nothing of them stays."""
    added_up(execution(1, COST_ACTUAL=5.0), priced(2))

    store_of(database).within_transaction(lambda connection: connection.execute("DELETE FROM executions"))

    assert calls(database) == database.query("SELECT * FROM reported_costs") == []


def test_row_that_replaces_a_lost_one_is_added_up_again(added_up, database):
    """A process that seemed dead ends its task after all."""
    added_up(execution(1), priced(2))
    found = "UPDATE executions SET outcome = ?, actual_cost = ?, cost_source = NULL, defaulted = '[]'"
    store_of(database).within_transaction(lambda connection: connection.execute(found, ("lost", 0.0)))

    store_of(database).within_transaction(lambda connection: connection.execute(found, ("succeeded", 7.0)))

    assert cost_of(costs(database)[0]) == (0.15, "priced", False)
    assert database.query("SELECT cost FROM reported_costs") == [{"cost": 7.0}]
    assert database.query("SELECT * FROM totals_due") == []
