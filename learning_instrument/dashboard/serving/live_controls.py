"""What stands above a page that is served: where else to go, and the fields that choose what it shows."""

from collections.abc import Mapping
from itertools import islice
from typing import Final

from ...analytics.values import values_of
from ...sqlite.selection import FILTERS, Queryable
from ..markup import MOST_CHARACTERS, Markup, element, joined, shortened
from ..pages.search_page import OUTCOMES
from . import asked
from .server import Query

#: The values that a field offers, the most frequent first.
_OFFERED: Final = 50
_PAGES: Final = {asked.OVERVIEW: "Overview", asked.SEARCH: "Executions"}
_LABELS: Final = {
    "since": "since", "until": "until", "pool_type": "pool", "model_tier": "tier", "task_type": "task type",
    "repo": "repository", "where": "where", "q": "task or id", "outcome": "outcome", "days": "last",
}  # fmt: skip
_EXAMPLES: Final = {"since": "14d or 2026-11-20", "until": "1d or 2026-11-22", "where": "model=gpt-4o"}
_PERIODS: Final = {"": "7 days", "30": "30 days", "90": "90 days"}


def overview_header(database: Queryable, query: Query) -> Markup:
    """Return what stands above the page of a period: the fields."""
    fields = form(asked.OVERVIEW, database, query, select("days", _PERIODS, query))
    return _header(asked.OVERVIEW, fields)


def search_header(database: Queryable, query: Query) -> Markup:
    """Return what stands above a search."""
    outcomes = {"": "any", **{outcome: outcome for outcome in OUTCOMES}}
    first = joined(_input("q", query, type="search"), select("outcome", outcomes, query))
    return _header(asked.SEARCH, form(asked.SEARCH, database, query, first))


def plain_header() -> Markup:
    """Return what stands above a page of one thing."""
    return _header(None, None)


def _header(page: str | None, form: Markup | None) -> Markup:
    links = [
        element("a", label, href=address, aria_current="page" if address == page else None)
        for address, label in _PAGES.items()
    ]
    return element(
        "header",
        element("nav", *links, class_="controls", aria_label="Pages"),
        form,
        element("p", id="live", class_="warn", role="status"),
        class_="live",
    )


def form(action: str, database: Queryable, query: Query, first: Markup) -> Markup:
    """Return the fields that choose executions, with what is chosen.

    Args:
        action: the address that is asked.
        database: the one whose values are offered.
        query: what is chosen.
        first: the fields that are seen at once.
    """
    conditions = [*filter(None, query.get("where", ())), ""]
    fields = (
        *(_input(name, query) for name in asked.WINDOW),
        *(_input(name, query, offered=_values(database, name)) for name in FILTERS),
        *(_input("where", {"where": (condition,)}) for condition in conditions),
    )
    is_used = any(asked.value_of(query, name) for name in asked.CHOOSING)
    more = element("details", element("summary", "Filters"), element("div", *fields, class_="controls"), open=is_used)
    return element("form", first, more, element("button", "Show", type="submit"), class_="controls", action=action)


def _values(database: Queryable, name: str) -> list[str]:
    """Return values to choose from; without those that a field would show otherwise than they are."""
    return [
        value
        for value in islice(values_of(database, name).executions, _OFFERED)
        if value == shortened(value, MOST_CHARACTERS)
    ]


def _input(name: str, query: Query, type: str = "text", offered: list[str] | None = None) -> Markup:  # noqa: A002
    value = query.get(name, ("",))[-1]
    list_id = f"{name}-values" if offered else None
    field = element(
        "input", type=type, name=name, value=value, placeholder=_EXAMPLES.get(name), list=list_id, autocomplete="off"
    )
    options = element("datalist", *(element("option", value=each) for each in offered or ()), id=list_id)
    return element("label", f"{_LABELS[name]} ", field, options if offered else None)


def select(name: str, options: Mapping[str, str], query: Query) -> Markup:
    """Return a field of one of a few values, value -> its label; the first is chosen where none is."""
    chosen = query.get(name, ("",))[-1]
    shown = (element("option", label, value=value, selected=value == chosen) for value, label in options.items())
    return element("label", f"{_LABELS[name]} ", element("select", *shown, name=name))
