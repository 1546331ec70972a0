"""What ``serve`` shows, as a reader has it: let in by the token, kept up to date, searched, and as easy to use."""

import re
import subprocess
from datetime import datetime, timezone
from urllib.parse import urlsplit

import pytest
from analytics.weeks import build
from fresh import variables

from learning_instrument import ExecutionRecord, LearningDatabase

from .chromium import FRAME
from .conftest import COMMAND
from .test_report import CHARTS, PHONE

pytestmark = pytest.mark.slow

PATHS = ("/", "/executions", "/executions/")


class Served:
    """A running ``serve`` and its database."""

    def __init__(self, database, process, address):
        self.database, self.process = database, process
        #: With the token, as it is printed.
        self.address = address
        self.root = "{0.scheme}://{0.netloc}".format(urlsplit(address))
        self.token = urlsplit(address).query

    def record(self, **fields):
        """Record an execution, and return its id."""
        record = ExecutionRecord(
            task_type="review", timestamp=datetime.now(timezone.utc), duration_seconds=1.5, success=True, **fields
        )
        with LearningDatabase(self.database, durability="commit") as database:
            database.append([record])
        return record.execution_id


@pytest.fixture(scope="module")
def served(browser, tmp_path_factory):
    """Serve a quiet week that ends now."""
    folder = tmp_path_factory.mktemp("served")
    database = build(folder / "learning.db", "quiet", datetime.now(timezone.utc), executions_per_day=40, days=20)
    command = [COMMAND, "serve", "--database", database, "--port", "0"]
    with (
        (folder / "said").open("w+") as said,
        subprocess.Popen(
            command, env=variables(PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        try:
            for line in process.stdout:
                said.write(line)
                if found := re.search(r"http://\S+token=\S+", line):
                    break
            yield Served(database, process, found[0].rstrip(".;"))
        finally:
            process.terminate()


@pytest.fixture
def reader(browser, served):
    """Return what opens a path as a reader who has the token."""
    pages = []

    def read(path="/", **window):
        pages.append(browser.open(served.address, **window))
        pages[-1].goto(served.root + path)
        return pages[-1]

    yield read
    for page in pages:
        with page:
            pass


def test_first_address_leaves_a_cookie_and_no_token_behind(browser, served):
    """The token is neither in the address bar, nor in the page, nor told to the next one; scripts cannot read it."""
    token = served.token.partition("=")[2]
    with browser.open(served.address) as page:
        assert page.read("location.href") == f"{served.root}/"
        (cookie,) = page.cookies
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["value"]) == (True, "Strict", token)
        assert page.read("document.cookie") == ""
        assert token not in page.read("document.documentElement.outerHTML")
        page.click("text=Executions >> nth=0")
        page.wait("location.pathname === '/executions'")
        assert [request for request in page.requests if "referer" in request["headers"]] == []
        assert page.faults == []


def test_reader_without_the_token_sees_nothing(browser, served):
    """Each page is refused, with how to be let in, and with no word of the database."""
    for path in PATHS:
        with browser.open(served.root + path) as page:
            text = page.read("document.documentElement.innerText")
            assert "token" in text
            assert "review" not in text
            assert page.cookies == []


@pytest.mark.parametrize("window", [{}, {"dark": True}, PHONE], ids=str)
@pytest.mark.parametrize("path", ["/", "/?days=30&model_tier=small", "/executions?q=ticket", "/executions/ID"])
def test_served_page_draws_and_is_easy_to_use(served, reader, path, window):
    """Charts have marks, axe finds nothing, nothing scrolls sideways, nothing is asked of another host."""
    page = reader(path.replace("ID", served.record()), **window)
    page.read("document.querySelectorAll('details').forEach((details) => { details.open = true })")
    assert page.violations() == []
    assert [chart.label for chart in page.ink(CHARTS, without=FRAME) if chart.pixels < 5] == []
    assert page.read("document.documentElement.scrollWidth") == window.get("width", 1280)
    assert {urlsplit(request["url"]).netloc for request in page.requests} == {urlsplit(served.root).netloc}
    assert page.faults == []


def test_page_shows_a_new_execution_without_a_reload(served, reader):
    """It comes in within seconds; what the reader opened and focused stays."""
    page = reader("/executions")
    page.read("window.sameWindow = true")
    page.press("Tab", "Tab")
    focused = page.read("document.activeElement.outerHTML")
    identifier = served.record(task_description="came in later")
    page.wait(f"document.querySelector('#main a[href*=\"{identifier}\"]') !== null")
    assert page.read("window.sameWindow") is True
    assert page.read("document.activeElement.outerHTML") == focused
    assert page.faults == []


def test_search_leads_to_an_execution_and_its_story(served, reader):
    """Typed by keyboard, found, and opened: the page of one execution, with its waterfall."""
    served.record(task_description="look for the needle")
    page = reader("/executions")
    page.click("input[name=q]")
    page.type("needle")
    page.press("Enter")
    page.wait("location.search.includes('q=needle')")
    assert page.read("document.querySelectorAll('#main tbody tr').length") == 1
    page.click("#main tbody a")
    page.wait("location.pathname.startsWith('/executions/')")
    assert "look for the needle" in page.read("document.getElementById('main').innerText")
    assert page.faults == []
