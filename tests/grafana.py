"""The dashboards of ``examples/grafana``, and what Grafana makes of the queries in them."""

import json
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "grafana"
#: Under "All", which has no value of its own.
ALL = None


def dashboard(name):
    """Return the dashboard in the file *name*."""
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def panels(name):
    """Return the panels of a dashboard, by their titles."""
    found = {panel["title"]: panel for panel in dashboard(name)["panels"]}
    assert len(found) == len(dashboard(name)["panels"])
    return found


def variables(name):
    """Return the variables of a dashboard, by their names."""
    return {variable["name"]: variable for variable in dashboard(name)["templating"]["list"]}


def queries(name):
    """Return each query of a dashboard, by its panel and number, or by its variable."""
    found = {
        (title, number): target.get("rawQueryText") or target.get("rawSql") or target["expr"]
        for title, panel in panels(name).items()
        for number, target in enumerate(panel["targets"])
    }
    for variable in variables(name).values():
        if variable["type"] == "query":
            query = variable["query"]
            found["variable", variable["name"]] = query if isinstance(query, str) else query["query"]
    return found


def as_sql(query, since, until, **chosen):
    """Return *query* as the data source plugin for SQLite gets it, or that for ClickHouse.

    Args:
        query: with Grafana's variables.
        since: the start of the time range.
        until: its end.
        **chosen: the values that are chosen of each variable, or ``ALL``.
    """
    known = variables("sqlite")

    def value(match):
        if match["moment"]:
            return str(int((since if match["moment"] == "from" else until).timestamp() * 1000))
        values = chosen.get(match["name"], ALL)
        if values is ALL:
            return known[match["name"]]["allValue"]  # which Grafana does not quote
        return ",".join("'" + each.replace("'", "''") + "'" for each in values)

    filled = re.sub(r"\$__(?P<moment>from|to)\b|\$\{(?P<name>\w+):sqlstring\}", value, query)
    assert "$" not in filled
    return filled


def as_promql(query, seconds, **chosen):
    """Return *query* as Prometheus gets it, for a time range and a rate's window of so many *seconds*."""
    known = variables("prometheus")

    def value(match):
        if match["window"]:
            return f"{seconds}s"
        values = chosen.get(match["name"], ALL)
        return known[match["name"]]["allValue"] if values is ALL else f"({'|'.join(map(re.escape, values))})"

    filled = re.sub(r"\$__(?P<window>range|rate_interval)\b|\$(?P<name>[a-z]+)\b", value, query)
    assert "$" not in filled
    return filled
