"""One HTML document, whole: its style and scripts inside, and a policy that lets nothing else in."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Final

from ...analytics.briefing import Briefing, briefing
from ...analytics.executions import latest
from ...analytics.sources.source import source_of
from ...record import ExecutionRecord
from ...sqlite.selection import Queryable
from ..markup import Markup, element, joined, trusted
from ..sections.first_screen import FAILURES, days_of, failures, shown_failures, tiles, title, verdict
from ..sections.page_sections import sections
from ..sections.section import Section
from ..views import View

#: In this order, in one style.
_STYLES: Final = ("page.css", "charts.css", "live.css")
_NOTHING: Final = "'none'"


@cache
def packaged(name: str) -> Markup:
    """Return a style or script of this package."""
    return trusted((files(__package__) / name).read_text("utf-8"))


def policy(scripts: Sequence[Markup] = (), *, is_served: bool = False) -> str:
    """Return the content-security policy of a document with *scripts*.

    Args:
        scripts: the text of each.
        is_served: whether it comes from a server, which it may ask again and send its forms to.
    """
    own = "'self'" if is_served else _NOTHING
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash(_style())}",
            f"script-src {' '.join(map(_hash, scripts)) or _NOTHING}",
            "img-src data:",
            f"connect-src {own}",
            "base-uri 'none'",
            f"form-action {own}",
        )
    )


def document(
    title: str,
    content: Markup,
    *,
    header: Markup | None = None,
    scripts: Sequence[Markup] = (),
    is_served: bool = False,
) -> bytes:
    """Return a document that needs nothing but itself.

    Args:
        title: its title.
        content: its ``<main id="main">``.
        header: what comes before it: a ``<header>`` or ``<nav>``.
        scripts: run when the document is read, in this order.
        is_served: whether it comes from a server; see :func:`policy`.
    """
    return joined(
        trusted("<!doctype html>\n"),
        element(
            "html",
            element(
                "head",
                element("meta", charset="utf-8"),
                element("meta", http_equiv="Content-Security-Policy", content=policy(scripts, is_served=is_served)),
                element("meta", name="viewport", content="width=device-width, initial-scale=1"),
                element("meta", name="color-scheme", content="light dark"),
                element("meta", name="referrer", content="no-referrer"),
                element("title", title),
                element("link", rel="icon", href="data:,"),
                element("style", _style()),
            ),
            element(
                "body",
                element("a", "Skip to the content", class_="skip", href="#main"),
                header,
                content,
                *(element("script", script) for script in scripts),
            ),
            lang="en",
        ),
        trusted("\n"),
    ).encode()


def _style() -> Markup:
    return joined(*map(packaged, _STYLES))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def content(database: Queryable, view: View) -> Markup:
    """Return one page, whole: what a reader sees first, and all sections.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    found = briefing(database, view.period, view.selection)
    failed = shown_failures(database, found, list(latest(database, view.chosen, FAILURES, failed=True)))
    row = title(source_of(database).name(), f"{days_of(found)} \u00b7 times are UTC")
    return element("main", row, body(found, failed, view, sections(database, view, found)), id="main")


def body(
    found: Briefing, failed: Sequence[ExecutionRecord], view: View, shown: Iterable[Section], prefix: str = ""
) -> Markup:
    """Return verdict, tiles, failures and sections of one view.

    Args:
        found: the figures.
        failed: the failures that are listed.
        view: what is shown.
        shown: its sections.
        prefix: goes before all anchors in it.
    """
    listed = failures(failed, found, view.links)
    cards = (
        section.markup(prefix, view.links.rows(section.name, section.selection or view.chosen))
        for section in (*([listed] if listed else []), *shown)
    )
    return joined(verdict(found), tiles(found), element("div", *cards, class_="cards"))
