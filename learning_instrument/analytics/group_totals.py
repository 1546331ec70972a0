"""Totals of groups of executions, by the dimensions that a question is asked by."""

from collections.abc import Sequence

from ..errors import ConfigurationError
from ..sqlite.dimensions import TIME_BUCKETS, dimension
from ..sqlite.selection import Queryable, Selection
from .sources.cube_rows import CubeQuestion, Group, GroupTotals, LargestGroups
from .sources.source import source_of


def dimensions_of(by: str | Sequence[str]) -> tuple[str, ...]:
    """Check the argument *by*: one or two dimensions.

    Raises:
        ConfigurationError: for another name, none, or more than two.
    """
    names = (by,) if isinstance(by, str) else tuple(by) if isinstance(by, Sequence) else ()
    if not all(isinstance(name, str) for name in names) or not 1 <= len(set(names)) == len(names) <= 2:
        raise ConfigurationError(f"Invalid by {by!r}: expected one column or metadata.KEY, or two different ones.")
    for name in names:
        dimension(name, "by")
    if "success" in names:
        raise ConfigurationError(
            "Invalid by 'success': that is a figure of each group; expected outcome, or another column."
        )
    return names


def check_limit(limit: int | None) -> None:
    """Check the argument *limit*.

    Raises:
        ConfigurationError: for a number below 1.
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ConfigurationError(f"Invalid limit {limit!r}: expected a number of groups above 0, or None.")


def totals(
    database: Queryable,
    by: Sequence[str],
    selection: Selection,
    measures: Sequence[str],
    *,
    with_durations: bool = False,
    with_waits: bool = False,
    with_rollups: bool = True,
    among: Sequence[str] | None = None,
) -> dict[Group, GroupTotals]:
    """Return the totals of each group of executions that has any, in the groups' order.

    Args:
        database: the one to ask.
        by: names of ``DIMENSIONS`` to group by; empty: one group, the empty tuple.
        selection: which executions.
        measures: names of ``MEASURES``; ``executions`` is always among them.
        with_durations: whether quantiles of the duration will be asked for.
        with_waits: whether those of the time that tasks waited will be, instead. Roll-ups do not have them.
        with_rollups: False reads every execution, which takes longer and gives the same.
        among: only groups of which the first name is one of these; None: all.
    """
    question = CubeQuestion(
        tuple(by),
        selection,
        tuple(dict.fromkeys(("executions", *measures))),
        "waits" if with_waits else "durations" if with_durations else None,
        among=None if among is None else tuple(among),
        with_cubes=with_rollups,
    )
    return dict(source_of(database).groups(question).groups)


def largest(
    database: Queryable,
    by: Sequence[str],
    selection: Selection,
    measures: Sequence[str],
    limit: int | None,
    *,
    with_durations: bool = False,
) -> LargestGroups:
    """Return :func:`totals` of the *limit* groups that cost most, and of all others together.

    However many groups there are, the answer is small. A limit holds for what the executions are grouped by beside the
    time; None: no limit.
    """
    question = CubeQuestion(
        tuple(by),
        selection,
        tuple(dict.fromkeys(("executions", "cost_nano", *measures))),
        "durations" if with_durations else None,
        None if set(by) <= TIME_BUCKETS.keys() else limit,
    )
    return source_of(database).groups(question)


def has_cube(database: Queryable, by: Sequence[str], selection: Selection) -> bool:
    """Tell whether roll-ups have the sums of *selection* by the dimensions *by*; else its executions are read."""
    return source_of(database).has_cube(by, selection)
