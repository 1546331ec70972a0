"""Failures of a SQLite file by masked message: from the counts that the background keeps, and from the executions.

One SQL statement reads both, so it sees one state of the database.
"""

import json
from typing import Any, Final

from ... import message_templates
from ...rollups.error_counts import MESSAGE, soundness
from ...sqlite.dimensions import AFTER, is_of_function
from ...sqlite.selection import FILTERS, Queryable, Selection
from ...timestamps import iso
from .failures import PLACES, Failures

#: After every timestamp.
_NEVER: Final = "~"


def failures(database: Queryable, selection: Selection) -> list[Failures]:
    """Return the failures until the end of *selection* that pass its filters; the places are of its time alone."""
    since = "" if selection.since is None else iso(selection.since)
    return [_failures(row, since) for row in database.query(*_question(selection))]


def _failures(row: dict[str, Any], since: str) -> Failures:
    kind = row["error_type"], row["exception_type"]
    first = row["first_seen"]
    if row["id"] is None:  # a count of one template
        return Failures(*kind, row["message"], first, json.loads(row["days"]), json.loads(row["counts"] or "[]"))
    places = [(1, *json.loads(row["counts"]))] if first >= since else []
    return Failures(*kind, message_templates.mask(row["message"]), first, [(first, first, row["id"])], places)


def _question(selection: Selection) -> tuple[str, dict[str, Any]]:
    """Return the query for counts by day, counts by place, and the executions not counted yet."""
    since = "" if selection.since is None else iso(selection.since)
    until = _NEVER if selection.until is None else iso(selection.until)
    starts_a_day = since[10:] in ("", "T00:00:00.000000+00:00")
    filters, values = selection.filter_condition()
    are_counted = all(name in FILTERS and not is_of_function(name, value) for name, value in selection.filters)
    parameters = {
        **values,
        "until": until,
        # Days that the time cuts through are read from the executions; whole ones lie before and after them.
        "cut": "" if starts_a_day else since[:10],
        "first": since[:10] if starts_a_day else since[:10] + AFTER,
        "end": until[:10],
    }
    clean = "day NOT IN (SELECT day FROM anew) AND EXISTS (SELECT 1 FROM state)"
    of_counts = selection.filter_condition(str)[0] if are_counted else "0"
    places = ", ".join(PLACES)
    days = (
        "SELECT template_id, min(first_seen) AS first_seen, max(last_seen) AS last_seen, max(newest) AS newest"
        f" FROM error_counts WHERE day < :end AND {clean} AND {of_counts}"
        " GROUP BY template_id, day"
        if selection.filters
        else f"SELECT template_id, first_seen, last_seen, newest FROM error_days WHERE day < :end AND {clean}"
    )
    counts = (
        f"SELECT template_id, {places}, sum(executions) AS executions FROM error_counts"
        f" WHERE day >= :first AND day < :end AND {clean} AND {of_counts} GROUP BY template_id, {places}"
    )
    # As JSON, a row for each template: of a row for each day and place, most of the time goes to making it.
    stored = (
        "SELECT error_type, exception_type, template AS message, days.first_seen, days, counts"
        " FROM (SELECT template_id, min(first_seen) AS first_seen,"
        f" json_group_array(json_array(first_seen, last_seen, newest)) AS days FROM ({days}) GROUP BY template_id)"
        " AS days JOIN error_templates USING (template_id)"
        f" LEFT JOIN (SELECT template_id, json_group_array(json_array(executions, {places})) AS counts"
        f" FROM ({counts}) GROUP BY template_id) USING (template_id)"
    )
    known = ", ".join(f"coalesce({name}, 'unknown')" for name in PLACES)
    failure = f"{MESSAGE}, timestamp, NULL, json_array({known}), executions.rowid"
    mark = "coalesce((SELECT mark FROM state), 0)"
    return (
        f"WITH state AS (SELECT mark FROM error_state WHERE {soundness() if are_counted else 0}),"
        " anew AS (SELECT day FROM error_dirty_days UNION SELECT :cut UNION SELECT :end)"
        f" SELECT *, NULL AS id FROM ({stored})"
        f" UNION ALL SELECT {failure} FROM executions"
        f" WHERE rowid > {mark} AND NOT success AND +timestamp < :until AND {filters}"
        f" UNION ALL SELECT {failure} FROM anew CROSS JOIN executions"
        f" WHERE timestamp >= day AND timestamp < day || '{AFTER}' AND timestamp < :until AND day <> ''"
        f" AND executions.rowid <= {mark} AND NOT success AND {filters}",
        parameters,
    )
