"""Reports by group: their options, and the columns and lines that tell the groups."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import click

from ..analytics.sources.cube_rows import OTHERS
from ..sqlite.dimensions import TIME_BUCKETS
from .options import C, Count
from .rendering import TableColumn, csv_names, fields_of

_HEADINGS: Final = {
    "task_type": "task type", "model_tier": "tier", "pool_type": "pool", "worker_id": "worker",
    "day": "day (UTC)", "hour": "hour (UTC)",
}  # fmt: skip


def grouping_options(command: C) -> C:
    """Add ``--limit`` of groups, and ``--by``."""
    limit = click.option(
        "--limit",
        metavar="N",
        default=50,
        type=Count(),
        show_default=True,
        help="How many groups, those that cost most; the rest is shown together. Days and hours are all shown.",
    )
    by = click.option(
        "--by",
        metavar="NAME",
        multiple=True,
        help="Group by a column such as model, or metadata.KEY; give it twice for pairs.",
    )
    return by(limit(command))


def group_columns(by: Sequence[str]) -> list[TableColumn]:
    """Return the columns of a table that name its groups."""
    return [TableColumn(name, _HEADINGS.get(name, name), is_text=name not in TIME_BUCKETS, least=8) for name in by]


def group_names(answer: type[Any], by: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of CSV of :func:`group_row`."""
    return *by, *(name for name in csv_names(answer) if name != "group")


def group_row(answer: Any, by: Sequence[str]) -> dict[str, Any]:
    """Return the fields of an *answer* about one group, with the group's values under their names."""
    fields = fields_of(answer)
    return {**dict(zip(by, fields.pop("group"), strict=True)), **fields}


def group_notes(groups: Sequence[Any]) -> Iterator[str]:
    """Yield the line that says how many groups are shown together, if any are."""
    if groups and groups[-1].groups > 1:
        yield f"{OTHERS}: {groups[-1].groups:,} groups that cost less; --limit shows more of them."
