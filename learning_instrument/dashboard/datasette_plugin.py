"""The page of a database within Datasette, at ``/-/learning``, and feedback by those who may write.

Datasette loads this by the entry-point group ``datasette``: 0.65 and the alphas of 1.0, whose permissions differ.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

import datasette as host
from datasette.utils import tilde_decode, tilde_encode
from pluggy import HookimplMarker

from ..analytics.executions import execution_id_of
from ..analytics.periods import PERIODS
from ..columns import UNKNOWN
from ..database import LearningDatabase
from ..errors import ConfigurationError, LearningInstrumentError, UnknownExecutionError
from ..sqlite.dimensions import dimension, equals
from ..sqlite.selection import FILTERS, Queryable, Selection
from ..timestamps import iso
from .markup import Markup, element, trusted
from .pages.execution_page import execution_content
from .pages.page import content, document, policy
from .serving import asked
from .serving.live_controls import form, select
from .serving.shared_answers import SharedAnswers
from .views import Links, View

hookimpl = HookimplMarker("datasette")

#: Datasette's permission to give feedback on the executions of a database.
FEEDBACK: Final = "learning-feedback"
_TITLE: Final = "Executions"
#: A file with these tables is one of this package.
_OURS: Final = frozenset(("executions", "losses", "running"))
#: What the pages are made from: who may not see one of them may not see the pages.
_READ: Final = ("executions", "model_calls", "feedback", "losses", "running", "reported_costs")
_PARAMETERS: Final = ("days", *asked.CHOOSING)
#: The rows behind a section that is not about all executions: a table, and the conditions.
_ROWS: Final[Mapping[str, tuple[str, tuple[tuple[str, str], ...]]]] = {
    **dict.fromkeys(("errors", "failures"), ("executions", (("success__exact", "0"),))),
    "patterns": ("executions", (("success__exact", "1"),)),
    "running": ("running", ()),
    "file": ("losses", ()),
}

# Datasette has no types of its own.
Datasette: TypeAlias = Any
Request: TypeAlias = Any
Response: TypeAlias = Any

_answers: dict[str, SharedAnswers] = {}


class _NotThereError(LearningInstrumentError):
    """There is no page at an address."""


_STATUS_OF: Final = (
    (UnknownExecutionError, 404), (_NotThereError, 404), (ConfigurationError, 400), (LearningInstrumentError, 503),
)  # fmt: skip


@hookimpl
def register_routes() -> list[tuple[str, Callable[..., Awaitable[Response]]]]:
    """Return the addresses of the pages."""
    database = "(?P<database>[^/]+)"
    execution = f"/-/learning/{database}/executions/(?P<execution>[^/]+)"
    return [
        ("/-/learning$", _answered(_index)),
        (f"/-/learning/{database}$", _answered(_overview)),
        (f"{execution}$", _answered(_execution)),
        (f"{execution}/feedback$", _answered(_feedback)),
    ]


@hookimpl
def menu_links(datasette: Datasette, actor: Any) -> Callable[[], Awaitable[list[dict[str, str]]]]:
    """Return the link in the menu of each page, where a file of ours may be seen."""

    async def links() -> list[dict[str, str]]:
        found = await _databases(datasette, actor)
        return [{"href": datasette.urls.path("/-/learning"), "label": _TITLE}] if found else []

    return links


@hookimpl
def database_actions(datasette: Datasette, actor: Any, database: str) -> Callable[[], Awaitable[list[dict[str, str]]]]:
    """Return the link on the page of a database."""

    async def links() -> list[dict[str, str]]:
        found = datasette.get_database(database)
        is_shown = await _is_ours(found) and await _may_see(datasette, actor, found)
        return [{"href": _address(datasette, found), "label": _TITLE}] if is_shown else []

    return links


@hookimpl
def permission_allowed(actor: Any, action: str) -> bool | None:
    """Let root give feedback, in Datasette 0.65. Other plugins may let others."""
    return True if action == FEEDBACK and actor and actor.get("id") == "root" else None


@hookimpl(optionalhook=True)
def register_actions() -> list[Any]:
    """Return the permission to give feedback, in Datasette 1.0: root has it, and whom its configuration names."""
    from datasette.permissions import Action
    from datasette.resources import DatabaseResource

    return [Action(name=FEEDBACK, description="Give feedback on executions", resource_class=DatabaseResource)]


def _answered(view: Callable[[Datasette, Request], Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """Return *view* with a page in place of an error of ours: Datasette would print a traceback."""

    async def answered(datasette: Datasette, request: Request) -> Response:
        try:
            return await view(datasette, request)
        except LearningInstrumentError as error:
            status = next(status for kind, status in _STATUS_OF if isinstance(error, kind))
            title = "This cannot be shown"
            message = element("main", element("h1", title), element("p", str(error)), id="main")
            return _page(datasette, None, title, message, status=status)

    return answered


async def _index(datasette: Datasette, request: Request) -> Response:
    """Lead to the page of the one database of ours, or show links to those of several."""
    found = await _databases(datasette, request.actor)
    if not found:
        raise _NotThereError("No database of learning_instrument is attached, or none that you may see.")
    if len(found) == 1:
        query = f"?{request.query_string}" if request.query_string else ""
        return host.Response.redirect(_address(datasette, found[0]) + query)
    links = (element("li", element("a", each.name, href=_address(datasette, each))) for each in found)
    return _page(datasette, None, _TITLE, element("main", element("h1", _TITLE), element("ul", *links), id="main"))


async def _overview(datasette: Datasette, request: Request) -> Response:
    """Answer with the page of a period."""
    database = await _chosen(datasette, request)
    query, now = {name: tuple(request.args.getlist(name)) for name in request.args}, asked.end_of_minute()
    links, periods = _links(datasette, database), {str(days): f"{days} days" for days in PERIODS}
    asked.check_names(query, _PARAMETERS)
    selection = replace(asked.selection_of(query, now), since=None, until=None)

    def fields(questions: Queryable) -> bytes:
        return form(_address(datasette, database), questions, query, select("days", periods, query)).encode()

    def make(questions: Queryable) -> bytes:
        return content(questions, View(asked.period_of(query, now, questions), selection, links)).encode()

    chosen = frozenset(query.items())
    body = await _made(datasette, database, (chosen, now), make)
    return _page(
        datasette,
        database,
        f"{_TITLE} \u00b7 {database.name}",
        body,
        fields=await _made(datasette, database, ("fields", chosen), fields),
    )


async def _execution(datasette: Datasette, request: Request) -> Response:
    """Answer with the page of one execution, with buttons for those who may give feedback."""
    database = await _chosen(datasette, request)
    execution, links = tilde_decode(request.url_vars["execution"]), _links(datasette, database)

    def make(questions: Queryable) -> bytes:
        return execution_content(questions, execution_id_of(questions, execution), links).encode()

    body, buttons = await _made(datasette, database, execution, make), None
    if await _may_write(datasette, request.actor, database):
        buttons = _buttons(f"{_address(datasette, database, execution)}/feedback", request.scope["csrftoken"]())
    return _page(datasette, database, f"Execution {execution}", body, footer=buttons)


async def _feedback(datasette: Datasette, request: Request) -> Response:
    """Store what was said of an execution, and lead back to it."""
    database = await _chosen(datasette, request)
    if request.method != "POST":
        return host.Response.text("Only POST.", status=405)
    if not await _may_write(datasette, request.actor, database):
        raise host.Forbidden(f"Permission denied: {FEEDBACK}, or a database that cannot be changed.")
    execution, said = tilde_decode(request.url_vars["execution"]), await request.post_vars()
    await asyncio.to_thread(_store, database.path, execution, said, str((request.actor or {}).get("id", "")))
    return host.Response.redirect(_address(datasette, database, execution), status=303)


def _store(path: str, execution: str, said: Mapping[str, str], actor: str) -> None:
    accepted, rating = said.get("accepted"), said.get("rating")
    if accepted not in (None, "0", "1"):
        raise ConfigurationError(f"Invalid accepted {accepted!r:.100}: expected 1 or 0.")
    if rating is not None and not (rating.isascii() and rating.isdecimal() and len(rating) == 1):
        raise ConfigurationError(f"Invalid rating {rating!r:.100}: expected a whole number from 1 to 5.")
    with LearningDatabase(path) as learning:
        learning.add_feedback(
            execution_id_of(learning, execution),
            accepted=None if accepted is None else accepted == "1",
            rating=None if rating is None else int(rating),
            source=f"datasette {actor}".strip(),
        )


def _buttons(address: str, token: str) -> Markup:
    """Return the buttons, each of which sends one piece of feedback."""
    buttons = [
        element("button", label, type="submit", name=name, value=value)
        for label, name, value in (
            ("Accept", "accepted", "1"),
            ("Reject", "accepted", "0"),
            *((f"{stars} of 5", "rating", str(stars)) for stars in range(1, 6)),
        )
    ]
    return element(
        "form",
        element("h2", "Give feedback"),
        element("input", type="hidden", name="csrftoken", value=token),
        element("p", *buttons, class_="controls"),
        method="post",
        action=address,
        class_="card wide",
        aria_label="Feedback",
    )


def _page(
    datasette: Datasette,
    database: Any,
    title: str,
    body: Markup | bytes,
    fields: bytes = b"",
    footer: Markup | None = None,
    status: int = 200,
) -> Response:
    """Return a document: ours, with a way back to Datasette."""
    places = {"Datasette": datasette.urls.instance()}
    if database is not None:
        places |= {database.name: datasette.urls.database(database.name), _TITLE: _address(datasette, database)}
    links = [element("a", label, href=str(href)) for label, href in places.items()]
    shown = trusted(body.decode()) if isinstance(body, bytes) else body
    if footer is not None:
        shown = trusted(shown.removesuffix("</main>") + footer + "</main>")
    nav = element("nav", *links, class_="controls", aria_label="Pages")
    header = element("header", nav, trusted(fields.decode()), class_="live")
    sent = document(title, shown, header=header, is_served=True).decode()
    headers = {"Content-Security-Policy": policy(is_served=True), "Cache-Control": "private, no-store"}
    return host.Response.html(sent, status=status, headers=headers)


async def _made(datasette: Datasette, database: Any, question: object, make: Callable[[Queryable], bytes]) -> bytes:
    """Return an answer, made on a thread: Datasette serves everyone on one event loop."""
    answers = _answers.setdefault(database.path, SharedAnswers(database.path))
    return await asyncio.to_thread(answers.get, (_address(datasette, database), question), make)


# Which databases, and who may see and change them.


async def _databases(datasette: Datasette, actor: Any) -> list[Any]:
    """Return the attached databases that are ours and that *actor* may see."""
    return [
        each for each in datasette.databases.values() if await _is_ours(each) and await _may_see(datasette, actor, each)
    ]


async def _chosen(datasette: Datasette, request: Request) -> Any:
    """Return the database of a request.

    Raises:
        _NotThereError: if there is none of that name, or it is not ours.
        Forbidden: if the one who asks may not see it.
    """
    try:
        database = datasette.get_database(route=tilde_decode(request.url_vars["database"]))
    except KeyError:
        raise _NotThereError("No database of that name is attached.") from None
    if not await _may_see(datasette, request.actor, database):
        raise host.Forbidden("Permission denied: view-table, of a table that the page is made from.")
    if not await _is_ours(database):
        raise _NotThereError(f"{database.name} is no database of learning_instrument.")
    return database


async def _is_ours(database: Any) -> bool:
    return bool(database.path) and set(await _tables(database)) >= _OURS  # one in memory has no path


async def _tables(database: Any) -> list[str]:
    """Return which of the tables that pages are made from it has: the file of an older release may lack some."""
    marks = ", ".join("?" * len(_READ))
    try:
        found = await database.execute(f"SELECT name FROM sqlite_master WHERE name IN ({marks})", _READ)
    except Exception:  # a file that cannot be read; Datasette says so where it is asked for
        return []
    return [str(row["name"]) for row in found.rows]


async def _may_see(datasette: Datasette, actor: Any, database: Any) -> bool:
    name = database.name
    if not hasattr(datasette, "allowed"):  # 0.65
        instance = [("view-database", name), "view-instance"]
        try:
            await datasette.ensure_permissions(actor, instance)
            for table in await _tables(database):
                await datasette.ensure_permissions(actor, [("view-table", (name, table)), *instance])
        except host.Forbidden:
            return False
        return True
    from datasette.resources import DatabaseResource, TableResource

    if not await datasette.allowed(action="view-database", resource=DatabaseResource(name), actor=actor):
        return False
    for table in await _tables(database):
        if not await datasette.allowed(action="view-table", resource=TableResource(name, table), actor=actor):
            return False
    return True


async def _may_write(datasette: Datasette, actor: Any, database: Any) -> bool:
    if not database.is_mutable:
        return False
    if not hasattr(datasette, "allowed"):  # 0.65
        return bool(await datasette.permission_allowed(actor, FEEDBACK, database.name, default=False))
    from datasette.resources import DatabaseResource

    return bool(await datasette.allowed(action=FEEDBACK, resource=DatabaseResource(database.name), actor=actor))


# Where parts of a page lead.


def _address(datasette: Datasette, database: Any, execution: str | None = None) -> str:
    page = f"/-/learning/{tilde_encode(database.route)}"
    return str(datasette.urls.path(page if execution is None else f"{page}/executions/{tilde_encode(execution)}"))


def _links(datasette: Datasette, database: Any) -> Links:
    def rows(section: str, selection: Selection) -> str:
        table, conditions = _ROWS.get(section, ("executions", ()))
        address = str(datasette.urls.table(database.name, table))
        pairs = [*conditions, *(_conditions(selection) if table == "executions" else ())]
        return f"{address}?{urlencode(pairs)}" if pairs else address

    return Links(execution=lambda execution: _address(datasette, database, execution), rows=rows)


def _conditions(selection: Selection) -> Iterable[tuple[str, str]]:
    """Yield the parameters of Datasette's page of a table that select the same executions."""
    for name, limit in (("timestamp__gte", selection.since), ("timestamp__lt", selection.until)):
        if limit is not None:
            yield name, iso(limit)
    for name, value in selection.filters:
        if name in FILTERS and not value.startswith(UNKNOWN):
            yield f"{name}__exact", value
        else:
            literal = "'" + value.replace("'", "''") + "'"
            yield "_where", equals(dimension(name), name, literal)
