"""Checks of the plugin within a real Datasette: ``python datasette_checks.py NAME FOLDER`` runs one of them.

A program of its own, for it runs with Datasette 0.65 and with 1.0, in environments that have no pytest.
"""

import asyncio
import contextlib
import html
import re
import sqlite3
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote_plus, urlsplit

from datasette.app import Datasette
from served_sections import Sections

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.dashboard import datasette_plugin

IS_NEW = hasattr(Datasette, "allowed")
NOW = datetime.now(timezone.utc)
ODD = 'it\'s "odd" & 50%/~'


def records():
    """Return executions of the last days: of two pools, tiers and customers, some without; a quarter failed."""
    for number in range(40):
        is_failure = number % 4 == 3
        yield ExecutionRecord(
            task_type="review" if number % 2 else "fix",
            timestamp=NOW - timedelta(hours=2 * number + 1),
            pool_type=("agents", ODD, None)[number % 3],
            model_tier="small" if number % 5 else "large",
            model="gpt" if number % 2 else None,
            metadata={"task": {"customer": ODD}} if number % 8 == 0 else {},
            success=not is_failure,
            error_type="timeout" if is_failure else None,
            error_message="<script>alert(1)</script>" if is_failure else None,
            duration_seconds=1.0 + number,
            solution_summary="retried",
            actual_cost=0.5,
            execution_id=f"e-{number}" if number else ODD,
        )


class Attached:
    """A Datasette with databases of *folder*."""

    def __init__(self, folder, names=("pools",), is_immutable=False, config=None, **settings):
        self.path = str(folder / "pools.db")
        if not Path(self.path).exists():
            with LearningDatabase(self.path) as database:
                database.append(list(records()))
        files = [str(folder / f"{name}.db") for name in names]
        given = {"immutables" if is_immutable else "files": files, "settings": settings}
        if "immutables" in given:
            given["files"] = []
        given |= {("config" if IS_NEW else "metadata"): config or {}}
        self.datasette = Datasette(**given)
        self.datasette.root_enabled = True  # as --root does

    async def __aenter__(self):
        await self.datasette.invoke_startup()
        return self

    async def __aexit__(self, *_):
        if hasattr(self.datasette, "close"):
            with contextlib.suppress(TypeError):
                self.datasette.close()

    def cookies(self, actor):
        if actor is None:
            return {}
        return {"ds_actor": self.datasette.sign({"a": {"id": actor}}, "actor")}

    async def get(self, path, actor=None, status=200):
        answer = await self.datasette.client.get(path, cookies=self.cookies(actor))
        assert answer.status_code == status, (path, answer.status_code, answer.text[:2000])
        return answer

    async def count(self, address):
        """Return how many rows Datasette's page at *address* has."""
        place = urlsplit(address)
        answer = await self.get(f"{place.path}.json?{place.query}&_size=1&_extra=count")
        found = answer.json()
        return found["filtered_table_rows_count"] if "filtered_table_rows_count" in found else found["count"]

    def query(self, sql, *parameters):
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def said(self):
        return self.query("SELECT execution_id, accepted, rating, source FROM feedback ORDER BY feedback_id")


def links_of(page):
    return [html.unescape(href) for href in re.findall(r'<a [^>]*?href="([^"#]+)"', page)]


def rows_behind(page, section):
    """Return the address of the rows behind a section of *page*."""
    found = re.search(rf'<section[^>]*\bid="{section}".*?</section>', page, re.S)
    (address,) = [each for each in links_of(found[0]) if "/executions?" in each or each.endswith("/losses")]
    return address


async def page_is_whole(folder):
    """At one address, with a policy that lets nothing in, and no link that leads nowhere."""
    async with Attached(folder) as attached:
        leads = await attached.get("/-/learning?days=30", status=302)
        assert leads.headers["location"] == "/-/learning/pools?days=30"
        for days in (7, 30, 90):
            answer = await attached.get(f"/-/learning/pools?days={days}")
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "<script" not in answer.text
            assert f'<option value="{days}" selected>' in answer.text
            links = links_of(answer.text)
            assert any("/executions/" in each for each in links)
            for link in set(links):
                await attached.get(link)
        for page in ("/", "/pools"):
            assert "/-/learning" in (await attached.get(page)).text


async def links_lead_to_the_rows(folder):
    """As many as SQL counts, whatever is chosen."""
    now = NOW.replace(second=0, microsecond=0) + timedelta(minutes=1)
    since = (now - timedelta(days=3)).isoformat()
    chosen = [
        ("", "1"),
        ("&pool_type=agents&model_tier=small", "pool_type = 'agents' AND model_tier = 'small'"),
        ("&pool_type=unknown", "coalesce(pool_type, 'unknown') = 'unknown'"),
        ("&pool_type=it's+%22odd%22+%26+50%25/~", "pool_type LIKE 'it%'"),
        ("&where=model%3Dunknown", "model IS NULL"),
        ("&where=metadata.customer%3Dit's+%22odd%22+%26+50%25/~", "metadata LIKE '%customer%'"),
    ]
    async with Attached(folder) as attached:
        attached.query("UPDATE executions SET pool_type = NULL WHERE execution_id = 'e-2'")
        for parameters, condition in chosen:
            page = (await attached.get(f"/-/learning/pools?since=3d{parameters}")).text
            for section, further in (("success", "1"), ("errors", "NOT success")):
                ((expected,),) = attached.query(
                    f"SELECT count(*) FROM executions WHERE timestamp >= ? AND {condition} AND {further}", since
                )
                if section == "errors" and 'id="errors"' not in page:
                    assert expected == 0
                    continue
                assert expected > 0 or section == "errors"
                assert await attached.count(rows_behind(page, section)) == expected, (parameters, section)
        other = (await attached.get("/-/learning/pools?days=30&pool_type=agents")).text
        assert re.search(r'<form[^>]* action="/-/learning/pools".*name="pool_type" value="agents"', other, re.S)


async def every_section_leads_to_as_many_rows_as_it_counts(folder):
    """The executions of the period, failures or successes alone, or another table."""
    async with Attached(folder) as attached:
        for parameters in ("", "&where=metadata.customer%3D" + quote_plus(ODD), "&pool_type=" + quote_plus(ODD)):
            sections = Sections((await attached.get(f"/-/learning/pools?days=30{parameters}")).text).found
            assert {"success", "volume", "waits", "by-2", "file"} <= sections.keys()
            assert parameters or {"failures", "errors", "patterns"} <= sections.keys()
            for name, section in sections.items():
                (address,) = section.rows
                count = await attached.count(address)
                counted = section.sum_of("Executions", "Failures", "Worked", "Could not be recorded")
                assert count == (0 if name in ("running", "file") else counted or count), (parameters, name)
                assert count > 0 or name in ("running", "file"), (parameters, name)


async def databases_of_others_are_left_alone(folder):
    """They have no page and no link, whatever is in them; of several of ours there is a list."""
    with contextlib.closing(sqlite3.connect(folder / "other.db")) as other:
        other.execute("CREATE TABLE executions (a)")
        other.commit()
    (folder / "text.db").write_bytes(b"no database" * 100)
    async with Attached(folder, ["other"]) as attached:
        assert "/-/learning" not in (await attached.get("/")).text
        assert "/-/learning" not in (await attached.get("/other")).text
        await attached.get("/-/learning", status=404)
        await attached.get("/-/learning/other", status=404)
        await attached.get("/-/learning/none", status=404)
        await attached.get("/-/learning/other/executions/e-1", status=404)
    second = folder / "a b~c.db"
    second.write_bytes((folder / "pools.db").read_bytes())
    async with Attached(folder, ["pools", "other", "a b~c"]) as attached:
        page = (await attached.get("/-/learning")).text
        found = [link for link in links_of(page) if link.startswith("/-/learning/")]
        assert len(found) == 2
        for link in found:
            for inner in links_of((await attached.get(link)).text):
                await attached.get(inner)
    found = datasette_plugin._tables(Datasette([str(folder / "text.db")]).databases["text"])
    assert await found == []


async def readers_need_the_permission_for_all_tables(folder):
    """Of the database, and of each table that the page is made from."""
    for config in (
        {"databases": {"pools": {"allow": {"id": "ann"}}}},
        {"databases": {"pools": {"tables": {"model_calls": {"allow": {"id": "ann"}}}}}},
        {"allow": {"id": "ann"}},
    ):
        async with Attached(folder, config=config) as attached:
            for path in ("/-/learning/pools", "/-/learning/pools/executions/e-1"):
                await attached.get(path, actor="bob", status=403)
                await attached.get(path, status=403)
                await attached.get(path, actor="ann")
            await attached.get("/-/learning", status=404)
            await attached.get("/-/learning", actor="ann", status=302)
            for page in ("/", "/pools"):
                answer = await attached.datasette.client.get(page, cookies=attached.cookies("bob"))
                assert "/-/learning" not in answer.text
                assert "/-/learning" in (await attached.get(page, actor="ann")).text


async def send(attached, actor, said, execution="e-1", with_token=True, **headers):
    path = f"/-/learning/pools/executions/{execution}"
    page = await attached.get(path, actor=actor)
    token = re.search(r'name="csrftoken" value="([^"]+)"', page.text)
    cookies = attached.cookies(actor) | dict(page.cookies)
    data = {**said, **({"csrftoken": token[1]} if token and with_token else {})}
    return await attached.datasette.client.post(f"{path}/feedback", data=data, cookies=cookies, headers=headers)


async def those_who_may_write_give_feedback(folder):
    """Root, by buttons; nobody else, and nobody from another site."""
    async with Attached(folder) as attached:
        for actor in (None, "ann"):
            assert "Accept" not in (await attached.get("/-/learning/pools/executions/e-1", actor=actor)).text
            assert (await send(attached, actor, {"accepted": "1"})).status_code == 403
        assert attached.said() == []

        accepted = await send(attached, "root", {"accepted": "1"})
        assert (accepted.status_code, accepted.headers["location"]) == (303, "/-/learning/pools/executions/e-1")
        assert (await send(attached, "root", {"accepted": "0"}, "e-2")).status_code == 303
        assert (await send(attached, "root", {"rating": "4"}, "e-2")).status_code == 303
        stored = [("e-1", 1, None), ("e-2", 0, None), ("e-2", None, 4)]
        assert attached.said() == [(*each, "datasette root") for each in stored]
        assert attached.query("SELECT user_accepted, user_rating FROM executions WHERE execution_id = 'e-2'") == [
            (0, 4)
        ]

        foreign = {"sec-fetch-site": "cross-site"} if IS_NEW else {}
        refused = await send(attached, "root", {"rating": "1"}, with_token=False, **foreign)
        assert refused.status_code == 403
        for said in ({}, {"rating": "6"}, {"rating": "-1"}, {"rating": "x" * 5000}, {"accepted": "yes"}):
            assert (await send(attached, "root", said)).status_code == 400
        assert len(attached.said()) == 3
        await attached.get("/-/learning/pools/executions/e-1/feedback", actor="root", status=405)
    allowed = {"databases": {"pools": {"permissions": {"learning-feedback": {"id": "ann"}}}}}
    async with Attached(folder, config=allowed) as attached:
        if IS_NEW:  # 0.65 has no such configuration
            assert (await send(attached, "bob", {"rating": "5"}, "e-3")).status_code == 403
            assert (await send(attached, "ann", {"rating": "5"}, "e-3")).status_code == 303
            assert attached.said()[3:] == [("e-3", None, 5, "datasette ann")]
            attached.query("DELETE FROM feedback WHERE execution_id = 'e-3'")
    async with Attached(folder, is_immutable=True) as attached:
        assert "Accept" not in (await attached.get("/-/learning/pools/executions/e-1", actor="root")).text
        assert (await send(attached, "root", {"rating": "1"})).status_code == 403
        assert len(attached.said()) == 3


async def what_cannot_be_shown_is_said(folder):
    """Without a traceback, and without markup of those who ask."""
    async with Attached(folder) as attached:
        for path, status in (
            ("/-/learning/pools?nope=%3Cscript%3E", 400),
            ("/-/learning/pools?days=0", 400),
            ("/-/learning/pools?since=%3Cscript%3E", 400),
            ("/-/learning/pools/executions/~3Cscript~3E", 404),
            ("/-/learning/~3Cscript~3E", 404),
            ("/-/learning/~FF", 404),
        ):
            assert "<script" not in (await attached.get(path, status=status)).text
        odd = [link for link in links_of((await attached.get("/-/learning/pools")).text) if "/executions/" in link]
        assert odd
    async with Attached(folder, base_url="/prefix/") as attached:
        page = (await attached.get("/-/learning/pools")).text
        assert links_of(page)
        assert [link for link in links_of(page) if not link.startswith("/prefix/")] == []
    (folder / "pools.db").rename(folder / "away.db")
    async with Attached(folder, ["away"]) as attached:
        with contextlib.closing(sqlite3.connect(folder / "away.db")) as other:
            other.execute("UPDATE oldest_writer SET version = 999")
            other.commit()
            other.execute("PRAGMA user_version = 999")
        answer = await attached.get("/-/learning/away", status=503)
        assert "999" in answer.text


async def others_are_answered_while_a_page_is_made(folder):
    """It is made on a thread; the event loop goes on."""
    began, may_end = threading.Event(), threading.Event()
    original = datasette_plugin.content

    def slowly(*arguments):
        began.set()
        assert may_end.wait(60)
        return original(*arguments)

    datasette_plugin.content = slowly
    async with Attached(folder) as attached:
        page = asyncio.ensure_future(attached.get("/-/learning/pools"))
        assert await asyncio.to_thread(began.wait, 60)
        await attached.get("/-/versions.json")
        await attached.get("/pools/executions")
        assert not page.done()
        may_end.set()
        await page


async def page_reads_the_tables_whose_permission_is_asked_for(folder):
    """No other that is promised."""
    from learning_instrument.sqlite.descriptions import TABLES

    Attached(folder)
    asked = set()

    class Noted:
        def __init__(self, connection):
            self.connection = connection

        def query(self, sql, parameters=()):
            cursor = self.connection.execute(sql, parameters)
            return [dict(zip([column[0] for column in cursor.description], row, strict=True)) for row in cursor]

    def note(action, table, *_):
        if action == sqlite3.SQLITE_READ and table in TABLES:
            asked.add(table)
        return sqlite3.SQLITE_OK

    with contextlib.closing(sqlite3.connect(folder / "pools.db")) as connection:
        connection.set_authorizer(note)
        questions = Noted(connection)
        view = datasette_plugin.View(datasette_plugin.asked.period_of({}, NOW, questions))
        datasette_plugin.content(questions, view)
        datasette_plugin.execution_content(questions, "e-3", datasette_plugin.Links())
    assert "executions" in asked
    assert asked <= set(datasette_plugin._READ)


CHECKS = {
    check.__name__: check
    for check in (
        page_is_whole,
        links_lead_to_the_rows,
        every_section_leads_to_as_many_rows_as_it_counts,
        databases_of_others_are_left_alone,
        readers_need_the_permission_for_all_tables,
        those_who_may_write_give_feedback,
        what_cannot_be_shown_is_said,
        others_are_answered_while_a_page_is_made,
        page_reads_the_tables_whose_permission_is_asked_for,
    )
}

if __name__ == "__main__":
    asyncio.run(CHECKS[sys.argv[1]](Path(sys.argv[2])))
