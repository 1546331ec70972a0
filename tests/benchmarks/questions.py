"""Every question of ``learning_instrument.analytics``, with the options that tell ways of answering apart."""

import functools
import inspect
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from learning_instrument import Budget, analytics
from learning_instrument.analytics import Selection
from learning_instrument.analytics.overview import span

Question = Callable[[Any], Any]


def asked_of_databases() -> set[str]:
    """Return the names of all functions of ``learning_instrument.analytics`` that take a database."""
    functions = {name: getattr(analytics, name) for name in analytics.__all__}
    return {
        name
        for name, function in functions.items()
        if inspect.isfunction(function) and "database" in inspect.signature(function).parameters
    }


def questions(database: Any) -> Mapping[str, Question]:
    """Return the questions about the executions of *database*, in its first and its last half.

    Each key is the name of a function, and for a second question of it some words after that.
    """
    first, last = span(database, Selection())
    assert first is not None
    assert last is not None
    middle = first + (last - first) / 2
    earlier, later = Selection(until=middle), Selection(since=middle)
    now = last + timedelta(minutes=1)
    (task_type,) = database.query(
        "SELECT task_type AS name FROM executions GROUP BY task_type ORDER BY count(*) DESC, task_type LIMIT 1"
    )
    (failed,) = database.query(
        "SELECT execution_id AS id FROM executions WHERE success = 0 ORDER BY timestamp DESC, execution_id LIMIT 1"
    )
    chosen = Selection(task_type=task_type["name"], since=middle)
    periods = analytics.default_periods(database, now)
    found: dict[str, Question] = {
        "summary": analytics.summary,
        "summary of a window": lambda asked: analytics.summary(asked, later),
        "summary of a task type": lambda asked: analytics.summary(asked, chosen),
        "queue_waits": analytics.queue_waits,
        "costs": analytics.costs,
        "costs of a window": lambda asked: analytics.costs(asked, earlier),
        "costs by repo": lambda asked: analytics.costs(asked, by="repo", limit=10),
        "error_groups": lambda asked: analytics.error_groups(asked, with_costs=True),
        "error_groups of a window": lambda asked: analytics.error_groups(asked, later, new_since=middle),
        "compare": lambda asked: analytics.compare(asked, earlier, later),
        "side_by_side": lambda asked: analytics.side_by_side(asked, "model_tier"),
        "solution_patterns": analytics.solution_patterns,
        "similar_executions": lambda asked: analytics.similar_executions(asked, "fix the crash in the parser"),
        "routing_calibration": analytics.routing_calibration,
        "extremes": analytics.extremes,
        "burn_down": lambda asked: analytics.burn_down(asked, 1000.0, now=now),
        "budget_status": lambda asked: analytics.budget_status(asked, Budget(1000.0, "month", "repo"), now),
        "price_tables": analytics.price_tables,
        "story": lambda asked: analytics.story(asked, failed["id"]),
        "unmatched": lambda asked: analytics.unmatched(asked, Selection(repo="no such repository")),
        "worth_asking": analytics.worth_asking,
        "default_periods": lambda asked: analytics.default_periods(asked, now),
        "briefing": lambda asked: analytics.briefing(asked, periods[0]),
        "briefings": lambda asked: analytics.briefings(asked, periods, "pool_type"),
    }
    for by in (*_DIMENSIONS, ("model_tier", "task_type"), ("day", "pool_type")):
        names = by if isinstance(by, str) else ", ".join(by)
        found[f"performance by {names}"] = functools.partial(_performance, by)
    for name in ("repo", "model", "metadata.customer"):
        found[f"values_of {name}"] = functools.partial(_values, name)
    return found


#: As ``--by`` takes them: with sums in cubes, and without.
_DIMENSIONS = (
    *("task_type", "model_tier", "pool_type", "repo", "worker_id", "model", "day", "hour"),
    *("outcome", "service_name", "attempt", "user_accepted", "metadata.customer"),
)


def _performance(by: Any, database: Any) -> Any:
    return analytics.performance(database, by)


def _values(name: str, database: Any) -> Any:
    return analytics.values_of(database, name)
