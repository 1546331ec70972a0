"""The live pages, asked over the socket of a server."""

import base64
import contextlib
import hashlib
import html
import os
import re
import sqlite3
import threading
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, urlencode

import pytest
from asking import record, store

from learning_instrument import formatting
from learning_instrument.dashboard.serving import shared_answers
from learning_instrument.dashboard.serving.live import LivePages
from learning_instrument.sqlite.selection import FILTERS
from tests.analytics.weeks import NOW as END
from tests.analytics.weeks import build
from tests.dashboard.served_sections import Sections

from . import serving

NOW = datetime.now(timezone.utc)
#: What a database may hold.
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e&amp;\0" + "x" * 500


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "learning.db")
    store(
        path,
        record(execution_id="1", pool_type="agents", timestamp=NOW - timedelta(hours=1)),
        record(execution_id="2/<b>", outcome="failed", error_message="it broke", timestamp=NOW - timedelta(hours=2)),
    )
    return path


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    """What was stored is in the next answer, although the last one took a while."""
    monkeypatch.setattr(shared_answers, "_REST", 0)


@pytest.fixture
def server(path):
    pages = LivePages(path)
    with serving.serving(pages.routes(), error_page=pages.error) as server:
        yield server


def ask(server, path="/", **headers):
    """Return status, headers and text of the answer."""
    status, headers, body = serving.ask(server, path, **headers)
    return status, headers, body.decode()


def addresses(text):
    return list(map(html.unescape, re.findall(r'(?:href|action)="(/[^"]*)"', text)))


PAGES = ["/", "/?days=30", "/executions", "/executions?q=fix&outcome=failed", "/executions/1"]


@pytest.mark.parametrize("page", PAGES)
def test_page_needs_nothing_but_itself(server, page):
    """Its policy lets its own style and script in, and questions to this server; in a header, and in the page."""
    status, headers, text = ask(server, page)
    policy = headers["Content-Security-Policy"]

    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for tag in ("style", "script"):
        (inner,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert policy.endswith("; frame-ancestors 'none'")
    assert html.escape(policy.removesuffix("; frame-ancestors 'none'")) in text
    assert not re.search(r'(?:src|href|action)="(?!/|#|data:,)', text)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_page(server, page):
    """Forms and rows among them."""
    found = addresses(ask(server, page)[2])

    assert {"/", "/executions"} <= {*found}
    assert {address: ask(server, address)[0] for address in found} == dict.fromkeys(found, 200)


@pytest.fixture(scope="module")
def weeks(tmp_path_factory):
    """Some weeks in which a tier failed for a day and a half."""
    folder = tmp_path_factory.mktemp("served")
    return build(folder / "outage.db", "outage", END, executions_per_day=40, with_calls=False)


@pytest.fixture(scope="module")
def outage(weeks):
    pages = LivePages(weeks)
    with serving.serving(pages.routes(), error_page=pages.error) as server:
        yield server


#: The week of that outage, and the month.
WEEK, MONTH = (
    f"/?{urlencode({'since': (END - timedelta(days=days)).isoformat(), 'until': END.isoformat()})}" for days in (7, 30)
)
#: Sections of executions that say an estimate, or a confidence.
ABOUT_SOME = {"estimates", "routing"}
#: Sections of which the page has all rows already.
WITHOUT_ROWS = {"running", "file"}


def ids_behind(server, address):
    """Return the executions at an address and on the pages after it."""
    found = []
    while address:
        status, _, text = ask(server, address)
        assert status == 200, (address, text[:300])
        rows = [each for each in addresses(text) if each.startswith("/executions/")]
        found += rows
        address = next((each for each in addresses(text) if "after=" in each), None)
    return found


@pytest.mark.parametrize("page", [WEEK, f"{MONTH}&model_tier=large", f"{WEEK}&where=metadata.customer%3Dacme"])
def test_every_section_leads_to_as_many_rows_as_it_counts(outage, page):
    """Those of its own days, and its failures or successes alone; a section may be about some of its rows."""
    sections = Sections(ask(outage, page)[2]).found
    assert {"failures", "success", "choice-pool", "errors", "by-1", "waits", "routing", "patterns"} <= sections.keys()
    behind = {}
    for name, section in sections.items():
        assert (len(section.rows) == 1) == (name not in WITHOUT_ROWS), name
        for address in section.rows:
            behind[address] = behind.get(address) or ids_behind(outage, address)
            ids = behind[address]
            assert len(set(ids)) == len(ids) > 0
            counted = section.sum_of("Executions", "Failures")
            if name in ABOUT_SOME:
                assert 0 < counted <= len(ids), name
            elif counted is not None:
                assert counted == len(ids), name
            assert {*section.executions} <= {*ids}, name
    assert sections["failures"].rows == sections["errors"].rows
    everything = sections["success"].rows
    assert [name for name in ("spend", "by-1", "by-2", "waits") if sections[name].rows != everything] == []
    # The days of an outage tell nothing of tiers.
    assert page != WEEK or sections["choice-tier"].rows != everything


CUSTOMER = "json_extract(metadata, '$.task.customer')"
KNOWN = "cost_source IS NOT 'unpriced' AND NOT instr(defaulted, 'actual_cost')"


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"pool_type": "agents"},
        {"model_tier": "small", "repo": "shop"},
        {"pool_type": "threads", "model_tier": "medium", "task_type": "review"},
        {"model": "quick-2", CUSTOMER: "acme", "outcome": "succeeded"},
        {"repo": "mobile", "model_tier": "large", "outcome": "timeout", CUSTOMER: "umbrella"},
    ],
    ids=lambda chosen: f"{len(chosen)} filters",
)
def test_figures_of_any_filters_are_those_that_sql_gives(outage, weeks, chosen):
    """Executions, success and cost of a window, however many columns and keys of metadata are filtered."""
    since, until = ((END - timedelta(days=day)).isoformat() for day in (40, 2))
    named = {"metadata.customer" if name == CUSTOMER else name: value for name, value in chosen.items()}
    pairs = [("since", since), ("until", until)]
    pairs += [(name, value) if name in FILTERS else ("where", f"{name}={value}") for name, value in named.items()]
    text = ask(outage, f"/?{urlencode(pairs)}")[2]
    with contextlib.closing(sqlite3.connect(weeks)) as connection:
        executions, success, cost, is_bound = connection.execute(
            f"SELECT count(*), avg(success), sum(CASE WHEN {KNOWN} THEN actual_cost END),"
            " max(cost_source IN ('unpriced', 'partial')) FROM executions WHERE timestamp >= ? AND timestamp < ?"
            + "".join(f" AND {name} = ?" for name in chosen),
            [since, until, *chosen.values()],
        ).fetchone()

    figures = [html.unescape(each) for each in re.findall(r'<dd class="figure[^"]*">([^<]*)</dd>', text)]
    if executions:
        assert figures[0] == f"{executions:,}"
        assert figures[1] == formatting.share(success)
        assert figures[2] == ("unknown" if cost is None else formatting.bound(formatting.dollars(cost), bool(is_bound)))
    else:
        assert figures == []


def test_page_is_up_to_date(server, path):
    """With the executions that were stored just now; and without a change, it is the page that the reader has."""
    status, headers, text = ask(server, "/executions")
    tag = headers["ETag"]

    assert (status, "it broke" in text, "stored just now" in text) == (200, True, False)
    assert ask(server, "/executions", If_None_Match=tag)[::2] == (304, "")
    store(path, record(task_description="stored just now"))
    status, headers, text = ask(server, "/executions", If_None_Match=tag)
    assert (status, "stored just now" in text, headers["ETag"] == tag) == (200, True, False)


def test_overview_is_of_what_is_chosen(server):
    """By the fields of its form, which have what was chosen."""
    text = ask(server, "/?pool_type=agents&days=30")[2]

    assert re.search(r'<input[^>]* name="pool_type" value="agents"', text)
    assert re.search(r'<option value="30" selected>', text)
    assert "it broke" not in text
    assert "it broke" in ask(server, "/")[2]


def test_form_offers_the_values_that_there_are(server):
    """And keeps each condition, with a field for one more."""
    text = ask(server, "/executions?where=outcome%3Dfailed&where=success%3Dfalse")[2]

    assert re.search(r'<datalist id="pool_type-values">.*<option value="agents">', text)
    assert re.findall(r'name="where" value="([^"]*)"', text) == ["outcome=failed", "success=false", ""]


def test_filter_that_nothing_meets_names_what_there_is(server):
    for page in ("/", "/executions"):
        assert "No execution has pool_type=agent. Did you mean agents?" in ask(server, f"{page}?pool_type=agent")[2]


def test_search_keeps_its_fields_from_page_to_page(server, path):
    store(path, *(record(pool_type="a b&c", timestamp=NOW) for _ in range(60)))

    (more,) = [each for each in addresses(ask(server, "/executions?pool_type=a+b%26c&q=")[2]) if "after=" in each]
    assert more.startswith("/executions?pool_type=a+b%26c&after=")
    assert len([each for each in addresses(ask(server, more)[2]) if each.startswith("/executions/")]) == 10


@pytest.mark.parametrize("identifier", ["1", "2/<b>"])
def test_execution_is_found_by_its_id(server, identifier):
    """Whatever characters that has."""
    status, _, text = ask(server, f"/executions/{quote(identifier, safe='')}")

    assert (status, html.escape(identifier) in text) == (200, True)


@pytest.mark.parametrize(
    ("page", "status", "message"),
    [
        ("/?pool=agents", 400, "Invalid parameter 'pool'"),
        ("/?days=x", 400, "Invalid days 'x'"),
        ("/?where=x", 400, "Invalid condition 'x'"),
        ("/?where=nothing%3Dx", 400, "Invalid where 'nothing'"),
        ("/?since=2026-01-02&until=2026-01-01", 400, "Invalid window"),
        ("/executions?outcome=x", 400, "Invalid outcome 'x'"),
        ("/executions?after=x", 400, "Invalid time 'x'"),
        ("/executions/none", 404, "Unknown execution 'none'"),
        ("/executions/", 404, "Invalid execution id ''"),
        ("/executions/1?x=1", 400, "Invalid parameter 'x'"),
        ("/executions/1/2", 404, "Unknown execution '1/2'"),
        ("/nothing", 404, "There is only /, /executions, /executions/."),
    ],
)
def test_error_is_one_line_and_a_page_for_browsers(server, page, status, message):
    answered, _, text = ask(server, page)
    assert (answered, text.count("\n")) == (status, 1)
    assert text.startswith(message)

    answered, headers, text = ask(server, page, Accept="text/html")
    assert (answered, headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert html.escape(message) in text
    assert "<script" not in text


def test_hostile_text_stays_text(server, path):
    """Of a database, of an address, of a question that is an error."""
    names = ("task_type", "pool_type", "model_tier", "repo", "task_description", "error_message", "model", "task_id")
    store(path, record(outcome="failed", timestamp=NOW, execution_id=HOSTILE[:40], **dict.fromkeys(names, HOSTILE)))
    text_of_address = quote(HOSTILE.replace("\0", ""), safe="")

    for page in (
        *PAGES,
        f"/executions/{quote(HOSTILE[:40], safe='')}",
        f"/?repo={text_of_address}",
        f"/executions?q={text_of_address}",
        f"/executions?outcome={text_of_address}",
        f"/executions/{text_of_address}",
        f"/?where={text_of_address}",
        f"/{text_of_address}",
    ):
        text = ask(server, page, Accept="text/html")[2]
        assert text.count("<script") == text.count("</script") <= 1
        assert "<img" not in text
        assert "\u202e" not in text


def test_database_that_is_gone_is_503(server, path):
    """Until it is back: the server goes on."""
    os.rename(path, f"{path}.away")
    for page in PAGES:
        status, _, text = ask(server, page)
        assert (status, text.startswith("There is no database")) == (503, True)
    os.rename(f"{path}.away", path)

    assert ask(server)[0] == 200


def test_invalid_values_are_503(server, path):
    """Another program has left them; doctor says which. The question is not at fault, and other rows are shown."""
    damage = "UPDATE executions SET timestamp = 'now', duration_seconds = 'long' WHERE execution_id = '1'"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(damage)

    for page in ("/", "/executions", "/executions/1"):
        status, _, text = ask(server, page)
        assert (status, "learning-instrument doctor names" in text, text.count("\n")) == (503, True, 1)
    assert ask(server, f"/executions/{quote('2/<b>', safe='')}")[0] == 200


def test_empty_database_is_a_page(tmp_path):
    path = str(tmp_path / "empty.db")
    store(path)
    pages = LivePages(path)
    with serving.serving(pages.routes(), error_page=pages.error) as server:
        assert [ask(server, page)[0] for page in ("/", "/executions", "/executions?q=x")] == [200] * 3


def test_readers_at_once_are_all_answered(server, path):
    """A hundred, of many views, while executions are stored: none fails, and none sees an older page later."""
    seen, faults, end = [], [], time.monotonic() + 3

    def read(number):
        last = 0
        while time.monotonic() < end:
            try:
                status, _, text = ask(server, PAGES[number % len(PAGES)])
                assert status == 200
                if number % len(PAGES) == 2:
                    count = len(re.findall('href="/executions/', text))
                    assert count >= last
                    last = count
                seen.append(number)
            except Exception as error:  # each is reported below
                faults.append(error)
                return

    threads = [threading.Thread(target=read, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        store(path, record(timestamp=NOW))
        time.sleep(0.05)
    for thread in threads:
        thread.join(60)

    assert faults == []
    assert {*seen} == {*range(100)}
