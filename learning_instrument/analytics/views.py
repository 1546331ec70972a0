"""Answers from the public views; reads only the last days instead of all executions."""

import math
from datetime import datetime, timedelta, timezone
from typing import Any

from ..errors import ConfigurationError
from ..rollups.measures import MICRO_SCALE, NANO_SCALE, QUALITY_SCALE
from ..sqlite.selection import Queryable, Selection
from .group_totals import totals
from .sources.cube_rows import GroupTotals

_MEASURES = (
    "succeeded", "assumed", "duration_us", "timed", "quality_e4", "rated", "cost_nano", "priced", "priced_succeeded",
    "partial", "unpriced", "queue_us", "queued",
)  # fmt: skip


def tier_performance(database: Queryable, repo: str | None, days_back: float) -> list[dict[str, Any]]:
    """Return the rows of the view ``tier_performance`` of the executions of the last *days_back* days."""
    return _rows(database, ("day", "repo", "model_tier"), repo, days_back)


def pool_performance(database: Queryable, repo: str | None, days_back: float) -> list[dict[str, Any]]:
    """Return the rows of the view ``pool_performance`` of the executions of the last *days_back* days."""
    return _rows(database, ("hour", "repo", "pool_type"), repo, days_back, with_queue=True)


def solution_patterns(database: Queryable, repo: str | None, min_usage: int, limit: int) -> list[dict[str, Any]]:
    """Return the rows of the view ``solution_patterns`` that were used most, at least *min_usage* times.

    Raises:
        ConfigurationError: for a *min_usage* or *limit* that is no whole number above 0.
        DatabaseError: if the database cannot be read.
    """
    for name, value in (("min_usage", min_usage), ("limit", limit)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigurationError(f"Invalid {name} {value!r}: expected a number above 0.")
    condition = " AND repo = :repo" if repo is not None else ""
    return database.query(
        f"SELECT * FROM solution_patterns WHERE executions >= :min_usage{condition}"
        " ORDER BY executions DESC, success_rate DESC, solution_summary, repo, task_type LIMIT :limit",
        {"min_usage": min_usage, "limit": limit, "repo": repo},
    )


def _rows(
    database: Queryable, by: tuple[str, ...], repo: str | None, days_back: float, with_queue: bool = False
) -> list[dict[str, Any]]:
    if not (isinstance(days_back, (int, float)) and 0 < days_back < math.inf):
        raise ConfigurationError(f"Invalid days_back {days_back!r}: expected a number of days above 0.")
    since = datetime.now(timezone.utc) - timedelta(days=min(days_back, 365_000))
    groups = totals(database, by, Selection(since=since, repo=repo), _MEASURES)
    return [dict(zip(by, group, strict=True)) | _figures(of_group, with_queue) for group, of_group in groups.items()]


def _figures(of_group: GroupTotals, with_queue: bool) -> dict[str, Any]:
    executions, succeeded = of_group.count("executions"), of_group.count("succeeded")
    figures = {
        "executions": executions,
        "succeeded": succeeded,
        "success_rate": succeeded / executions,
        "assumed": of_group.count("assumed"),
        "mean_duration_seconds": of_group.mean("duration_us", MICRO_SCALE, "timed"),
        "mean_quality": of_group.mean("quality_e4", QUALITY_SCALE, "rated"),
        "cost_usd": of_group.total("cost_nano", NANO_SCALE, "priced"),
        "partial": of_group.count("partial"),
        "unpriced": of_group.count("unpriced"),
        "cost_per_success_usd": of_group.mean("cost_nano", NANO_SCALE, "priced_succeeded"),
    }
    return figures | ({"mean_queue_seconds": of_group.mean("queue_us", MICRO_SCALE, "queued")} if with_queue else {})
