"""How well and how fast: groups of executions beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..rollups.measures import MICRO_SCALE, NANO_SCALE, QUALITY_SCALE
from ..sqlite.dimensions import TIME_BUCKETS
from ..sqlite.selection import Queryable, Selection
from .group_totals import check_limit, dimensions_of, largest, totals
from .intervals import Proportion, wilson
from .sources.cube_rows import Group, GroupTotals

#: What an answer is made of.
MEASURES: Final = (
    "succeeded", "assumed", "duration_us", "timed", "queue_us", "queued", "quality_e4", "rated", "cost_nano", "priced",
    "priced_succeeded", "partial", "unpriced", "input_tokens", "output_tokens", "counted", "retries",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Performance:
    """The performance of one group of executions. None: not reported for any of them."""

    #: The values of the group, in the order of ``by``.
    group: Group
    executions: int
    #: The share that succeeded, with its 95% Wilson interval.
    success: Proportion
    #: Of those that succeeded: how many returned without saying so.
    assumed: int
    #: Within 1.5% of exact; of the executions whose duration was measured, as are the next.
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    mean_seconds: float | None
    #: In the queue, before the start; :func:`queue_waits` adds the wait within the pool.
    mean_queue_seconds: float | None
    mean_quality: float | None
    #: The known cost, in US dollars.
    cost_usd: float | None
    #: Spent on all, failures included, for each that succeeded; of the executions whose cost is known.
    cost_per_success_usd: float | None
    #: Executions of which a part of the cost is unknown: both amounts are lower bounds then.
    partial: int
    #: Executions whose model calls could not be priced: their cost is unknown, and not 0.
    unpriced: int
    #: Executions without a reported cost.
    unreported: int
    #: None also where only zeros were reported: the sums of both kinds have one count.
    input_tokens: int | None
    output_tokens: int | None
    #: How many are the first attempt at their task, so that each task counts once: ``attempt`` is 1, or not known.
    tasks: int
    #: How many groups this is: above 1 for the others beyond a limit, whose names are ``others``.
    groups: int = 1


@dataclass(frozen=True, slots=True)
class QueueWait:
    """How long the tasks of one group waited: in the queue, and then for their pool.

    The wait of an execution is ``queue_seconds`` plus ``wait_seconds``.
    """

    #: The values of the group, in the order of ``by``.
    group: Group
    executions: int
    #: Of how many either wait is known; the other counts as 0. The rest is about these; None where there are none.
    measured: int
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    mean_seconds: float | None


def performance(
    database: Queryable,
    by: str | Sequence[str] = ("task_type",),
    selection: Selection | None = None,
    *,
    limit: int | None = None,
) -> list[Performance]:
    """Return how each group of executions fared, the largest first; by day or hour, the earliest first.

    Roll-ups answer for task type, model tier, pool type, repository and day, for ``hour`` beside tier or pool, and for
    names that ``learning-instrument index`` was told; others take some seconds for each million executions.

    Args:
        database: the one to ask.
        by: one or two of ``day``, ``hour`` (both in UTC), a column such as ``task_type`` or ``model``, and
            ``metadata.KEY`` for a key of the tasks' metadata. Without a value: ``unknown``.
        selection: which executions; None: all.
        limit: how many groups, those that cost most; the others are one group, the last. Days and hours are no groups
            of this kind. None: all groups.

    Raises:
        ConfigurationError: for another name, none, more than two, or a limit below 1.
        DatabaseError: if the database cannot be read.
    """
    dimensions = dimensions_of(by)
    check_limit(limit)
    found = largest(database, dimensions, selection or Selection(), MEASURES, limit, with_durations=True)
    answers = [performance_of(group, of_group) for group, of_group in found.groups.items()]
    if not set(dimensions) & TIME_BUCKETS.keys():
        answers.sort(key=lambda answer: -answer.executions)
    others = (performance_of(group, of_group) for group, of_group in found.others.items())
    return [*answers, *(replace(answer, groups=found.merged) for answer in others)]


def queue_waits(
    database: Queryable, by: str | Sequence[str] = ("task_type",), selection: Selection | None = None
) -> list[QueueWait]:
    """Return how long the tasks of each group waited, in the order of :func:`performance`.

    Read from the executions themselves, which takes some seconds for each million.

    Args:
        database: the one to ask.
        by: as of :func:`performance`.
        selection: which executions; None: all.

    Raises:
        ConfigurationError: for another dimension, none, or more than two.
        DatabaseError: if the database cannot be read.
    """
    dimensions = dimensions_of(by)
    groups = totals(database, dimensions, selection or Selection(), ("waited_us", "waited"), with_waits=True)
    answers = [
        QueueWait(
            group,
            of_group.count("executions"),
            of_group.count("waited"),
            of_group.quantile(0.5),
            of_group.quantile(0.95),
            of_group.quantile(0.99),
            of_group.mean("waited_us", MICRO_SCALE, "waited"),
        )
        for group, of_group in groups.items()
    ]
    if not set(dimensions) & TIME_BUCKETS.keys():
        answers.sort(key=lambda answer: -answer.executions)
    return answers


def performance_of(group: Group, of_group: GroupTotals) -> Performance:
    """Return how a group fared that has executions, by its totals of :data:`MEASURES` and durations."""
    executions = of_group.count("executions")
    success = wilson(of_group.count("succeeded"), executions)
    assert success is not None, "a group has executions"
    inputs, outputs = (of_group.total(f"{kind}_tokens", 1, "counted") for kind in ("input", "output"))
    return Performance(
        group=group,
        executions=executions,
        success=success,
        assumed=of_group.count("assumed"),
        p50_seconds=of_group.quantile(0.5),
        p95_seconds=of_group.quantile(0.95),
        p99_seconds=of_group.quantile(0.99),
        mean_seconds=of_group.mean("duration_us", MICRO_SCALE, "timed"),
        mean_queue_seconds=of_group.mean("queue_us", MICRO_SCALE, "queued"),
        mean_quality=of_group.mean("quality_e4", QUALITY_SCALE, "rated"),
        cost_usd=of_group.total("cost_nano", NANO_SCALE, "priced"),
        cost_per_success_usd=of_group.mean("cost_nano", NANO_SCALE, "priced_succeeded"),
        partial=of_group.count("partial"),
        unpriced=of_group.count("unpriced"),
        unreported=executions - of_group.count("priced") - of_group.count("unpriced"),
        input_tokens=round(inputs) if inputs else None,
        output_tokens=round(outputs) if outputs else None,
        tasks=executions - of_group.count("retries"),
    )
