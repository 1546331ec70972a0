"""The pages of a database over HTTP: what happened in a period, a search, and each execution. They stay up to date."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from ...analytics.executions import execution_id_of
from ...errors import ConfigurationError, DatabaseError
from ...fleet.address import Address, is_address
from ...outcome import Outcome
from ...sqlite.selection import Queryable, Selection
from ..markup import Markup, element
from ..pages import page
from ..pages.execution_page import execution_content, title_of
from ..pages.search_page import UNSUCCESSFUL, Search, search_content
from ..views import Links, View
from . import asked
from .live_controls import overview_header, plain_header, search_header
from .server import HTML, Document, Request, Routes
from .shared_answers import SharedAnswers

_SEARCH: Final = ("q", "outcome", "after", *asked.CHOOSING)
_OVERVIEW: Final = ("days", *asked.CHOOSING)
#: Section -> the outcome of the rows behind it, where that is not any; and those that are about more than rows.
_OUTCOMES: Final = {"errors": UNSUCCESSFUL, "failures": UNSUCCESSFUL, "patterns": Outcome.SUCCEEDED.value}
_WITHOUT_ROWS: Final = ("budget", "file", "running")


def _rows(section: str, selection: Selection) -> str | None:
    """Return the address of the rows behind a section."""
    if section in _WITHOUT_ROWS:
        return None
    outcome = _OUTCOMES.get(section)
    return asked.address_of_rows(selection, **({"outcome": outcome} if outcome else {}))


_LINKS: Final = Links(execution=asked.address_of_execution, rows=_rows)


class LivePages:
    """Answers requests for the pages of the database at *path*."""

    def __init__(self, path: str) -> None:
        self._name = str(Address.parse(path)) if is_address(path) else os.path.basename(path)
        self._answers = SharedAnswers(path)
        self._scripts = (page.packaged("live.js"),)

    def routes(self) -> Routes:
        """Return what is served."""
        return {asked.OVERVIEW: self._overview, asked.SEARCH: self._search, f"{asked.SEARCH}/": self._execution}

    def error(self, title: str, message: str) -> Document:
        """Return the page that a browser is shown for an error."""
        content = element("main", element("h1", title), element("p", message), id="main")
        body = page.document(title, content, header=plain_header(), is_served=True)
        return Document(HTML, body, headers={"Content-Security-Policy": page.policy(is_served=True)})

    def _overview(self, request: Request) -> Document:
        query, now = request.query, asked.end_of_minute()
        asked.check_names(query, _OVERVIEW)
        selection = replace(asked.selection_of(query, now), since=None, until=None)

        def content(database: Queryable) -> Markup:
            view = View(asked.period_of(query, now, database), selection, _LINKS)
            with _valid_values():
                return page.content(database, view)

        def header(database: Queryable) -> Markup:
            return overview_header(database, query)

        return self._page(frozenset(query.items()), "Overview", header, content, now)

    def _execution(self, request: Request) -> Document:
        asked.check_names(request.query, ())

        def content(database: Queryable) -> Markup:
            execution_id = execution_id_of(database, request.rest)
            with _valid_values():
                return execution_content(database, execution_id, _LINKS)

        return self._page(request.rest, title_of(request.rest), lambda database: plain_header(), content)

    def _search(self, request: Request) -> Document:
        query, now = request.query, asked.end_of_minute()
        asked.check_names(query, _SEARCH)
        search = Search(
            asked.selection_of(query, now),
            *((asked.value_of(query, name) or "").strip() for name in ("q", "outcome", "after")),
        )

        def content(database: Queryable) -> Markup:
            with _valid_values():
                return search_content(database, search, _LINKS, next_page)

        def next_page(place: str) -> str:
            kept = [(name, value) for name, values in query.items() for value in values if name != "after" and value]
            return f"{asked.SEARCH}?{urlencode([*kept, ('after', place)])}"

        return self._page(
            frozenset(query.items()),
            "Executions",
            lambda database: search_header(database, query),
            content,
            now,
        )

    def _page(
        self,
        key: object,
        title: str,
        header: Callable[[Queryable], Markup],
        content: Callable[[Queryable], Markup],
        moment: datetime | None = None,
    ) -> Document:
        def make(database: Queryable) -> bytes:
            return page.document(
                f"{title} \u00b7 {self._name}",
                content(database),
                header=header(database),
                scripts=self._scripts,
                is_served=True,
            )

        body = self._answers.get((title, key), make, moment)
        headers = {
            "ETag": f'"{hashlib.sha256(body).hexdigest()}"',
            "Content-Security-Policy": page.policy(self._scripts, is_served=True),
        }
        return Document(HTML, body, headers=headers)


@contextlib.contextmanager
def _valid_values() -> Iterator[None]:
    """Answer a question that is valid: a value that is not is one of the file, which another program has left."""
    try:
        yield
    except ConfigurationError as error:
        raise DatabaseError("The database has an invalid value; learning-instrument doctor names it.") from error
