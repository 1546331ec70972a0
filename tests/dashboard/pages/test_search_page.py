"""The list of executions, and what a search finds."""

import re
from datetime import timedelta

import pytest
from asking import NOON, record, store

from learning_instrument.dashboard.pages.search_page import OUTCOMES, ROWS, Search, search_content
from learning_instrument.dashboard.views import Links
from learning_instrument.errors import ConfigurationError
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from learning_instrument.sqlite.selection import Selection

LINKS = Links(execution=lambda execution_id: f"/e/{execution_id}")


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "learning.db")


def show(path, **search):
    with ReadOnlyDatabase(path) as database:
        return search_content(database, Search(**search), LINKS, lambda place: f"/next?{place}")


def listed(content):
    """Return the ids that rows lead to."""
    return re.findall(r'href="/e/([^"]*)"', content)


def pages(path, **search):
    """Return the ids on each page, by the links from one to the next."""
    after = ""
    while True:
        content = show(path, after=after, **search)
        yield listed(content)
        found = re.search(r'href="/next\?([^"]*)"', content)
        if found is None:
            return
        after = found[1]


def test_pages_have_every_execution_once(path):
    """The newest first; of one instant, the last stored first."""
    moments = [NOON + timedelta(microseconds=number // 30) for number in range(3 * ROWS)]
    store(path, *(record(execution_id=f"{n:03}", timestamp=at) for n, at in enumerate(moments)))

    found = list(pages(path))
    assert [len(page) for page in found] == [ROWS] * 3
    assert [each for page in found for each in page] == [f"{n:03}" for n in reversed(range(3 * ROWS))]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_outcome_is_that_of_the_rows(path, outcome):
    """On each page; unsuccessful are all but success."""
    kinds = OUTCOMES[1:]
    store(path, *(record(execution_id=f"{kinds[n % 6]}-{n}", outcome=kinds[n % 6]) for n in range(6 * ROWS + 6)))

    found = [execution_id.partition("-")[0] for page in pages(path, outcome=outcome) for execution_id in page]
    if outcome == "unsuccessful":
        assert (len(found), set(found)) == (5 * ROWS + 5, set(kinds) - {"succeeded"})
    else:
        assert found == [outcome] * (ROWS + 1)


def test_page_after_a_row_that_was_deleted_is_that_of_its_time(path):
    store(path, *(record(execution_id=f"{n}", timestamp=NOON + timedelta(seconds=n)) for n in range(3)))

    assert listed(show(path, after=f"{(NOON + timedelta(seconds=2)).isoformat()}~gone")) == ["1", "0"]


def test_words_find_the_most_like_them(path):
    """Among those selected; without words in common there is none."""
    store(
        path,
        record(execution_id="1", task_description="fix the parser of dates"),
        record(execution_id="2", task_description="fix the parser", repo="b"),
        record(execution_id="3", task_description="write docs", outcome="failed"),
    )

    assert listed(show(path, words="fix the parser")) == ["2", "1"]
    assert listed(show(path, words="fix the parser", selection=Selection(repo="b"))) == ["2"]
    assert listed(show(path, words="docs", outcome="unsuccessful")) == ["3"]
    assert listed(show(path, words="fix", outcome="unsuccessful")) == []
    assert "No executions." in show(path, words="nothing alike")


def test_id_or_its_beginning_finds_the_execution(path):
    """As ``show`` takes it; of several with the same beginning, none."""
    store(path, record(execution_id="18ab-1", task_id="t1"), record(execution_id="18ab-2", task_id="t2"))

    assert listed(show(path, words="18ab-1")) == listed(show(path, words="t1")) == ["18ab-1"]
    assert listed(show(path, words="18ab")) == []


def test_where_nothing_is_found_the_values_that_there_are_are_named(path):
    store(path, record(pool_type="agents"))

    content = show(path, selection=Selection(pool_type="agent"))
    assert "No execution has pool_type=agent. Did you mean agents?" in content


def test_unknown_is_never_a_number(path):
    """Neither a cost nor a duration that was not reported is shown as 0; a bound is marked."""
    store(path, record(defaulted=("duration_seconds", "actual_cost")), record(actual_cost=0.5, cost_source="partial"))

    content = show(path)
    assert content.count("unknown</td>") == 2 + 4  # duration and cost; and pool and tier of both
    assert "at least $0.5000" in content
    assert "$0<" not in content
    assert show(path, words="x").count("$0<") == 0


@pytest.mark.parametrize(
    "search",
    [{"outcome": "bad"}, {"after": "yesterday~x"}, {"after": "~"}, {"outcome": "<script>"}],
)
def test_invalid_search_is_an_error(search):
    with pytest.raises(ConfigurationError, match="Invalid"):
        Search(**search)


def test_first_and_last_moments_are_places(path):
    """Of the calendar: no overflow."""
    store(path, record(execution_id="1"))

    assert listed(show(path, after="9999-12-31T23:59:59.999999+00:00~x")) == ["1"]
    assert listed(show(path, after="0001-01-01~x")) == []
