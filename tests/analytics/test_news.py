"""What is news since the last look, in a file that changes in between."""

from datetime import datetime, timedelta, timezone

import pytest
from asking import record

from learning_instrument import LearningDatabase
from learning_instrument.analytics import Selection, error_groups
from learning_instrument.analytics.news import NewsReader, place_now
from learning_instrument.database import store_of
from learning_instrument.maintenance import Limits, prune
from learning_instrument.outcome import Outcome
from learning_instrument.sqlite.read_only import ReadOnlyDatabase

NOW = datetime.now(timezone.utc).replace(microsecond=0)


@pytest.fixture
def path(tmp_path):
    """The path of a database with some history."""
    path = str(tmp_path / "learning.db")
    put(path, failure("disk 5 full"), record(timestamp=NOW))
    return path


class Looks:
    """Looks at a file, one after the other."""

    def __init__(self, path, selection=None, began=NOW):
        self.path = path
        self.reader = NewsReader(selection or Selection())
        self.began = began
        with ReadOnlyDatabase(path) as database:
            self.place = place_now(database)

    def look(self, looked=NOW):
        with ReadOnlyDatabase(self.path) as database, database.snapshot():
            news = self.reader.read(database, self.place, looked, self.began, NOW - timedelta(minutes=10))
        self.reader.remember(news)
        self.place = news.place
        return news

    def templates(self, **keywords):
        return [(group.template, "back" if group.is_back else "new") for group in self.look(**keywords).groups]


def failure(message, age=timedelta(0), **fields):
    return record(timestamp=NOW - age, outcome=Outcome.ERROR, error_message=message, **fields)


def put(path, *records, counted=False):
    with LearningDatabase(path) as database:
        database.append(records)
        if counted:
            database.rebuild_rollups()


@pytest.mark.parametrize("counted", [False, True])
def test_group_is_news_once(path, counted):
    """Whether its failures are counted yet or not; a group of before is none."""
    looks = Looks(path)
    put(path, failure("disk 7 full"), failure("no route to host 8"), failure("no route to host 9"), counted=counted)

    news = looks.look()

    assert [(group.template, group.failures) for group in news.groups] == [("no route to host <N>", 2)]
    assert len(news.groups[0].examples) == 1 + 1
    put(path, failure("no route to host 10"), counted=counted)
    assert looks.templates() == []
    assert looks.templates() == []


def test_group_that_only_changes_its_template_is_no_news(path):
    """A message that merges with it makes another template, and no other group."""
    looks = Looks(path)
    put(path, failure("could not reach host alpha in zone seven"))
    assert len(looks.templates()) == 1
    put(path, failure("could not reach host beta in zone seven"))

    assert looks.templates() == []
    with ReadOnlyDatabase(path) as database:
        assert "could not reach host <*> in zone seven" in [group.template for group in error_groups(database).groups]


def test_another_process_knows_what_was_stored_before_its_place(path):
    """Though it has seen none of it: the place is all that it is given."""
    place = Looks(path).place
    put(path, failure("disk 7 full"), failure("new"))
    again = Looks(path)
    again.place = place

    assert again.templates() == [("new", "new")]


def test_failure_of_a_long_execution_is_news(path):
    """It began before the first look, and before failures that were stored first."""
    looks = Looks(path)
    put(path, failure("slow", timedelta(hours=5), duration_seconds=5 * 3600.0))
    assert looks.templates() == [("slow", "new")]
    put(path, failure("slow", timedelta(hours=9), duration_seconds=9 * 3600.0))
    assert looks.templates() == []


def test_what_is_imported_is_no_news(path):
    """It ended long before the first look."""
    looks = Looks(path)
    put(path, failure("of last month", timedelta(days=30)))

    news = looks.look()

    assert (news.minutes, news.groups) == ({}, ())


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize(("days", "kind"), [(6, []), (8, [("disk <N> full", "back")])])
def test_group_is_back_after_a_week(tmp_path, counted, days, kind):
    """Once; its silence is known."""
    path = str(tmp_path / "learning.db")
    put(path, failure("disk 5 full", timedelta(days=days)), record(timestamp=NOW), counted=counted)
    looks = Looks(path)
    put(path, failure("disk 6 full"), failure("disk 7 full"), counted=counted)

    news = looks.look()

    assert [(group.template, "back") for group in news.groups if group.is_back] == kind
    assert [round(group.silence_seconds / 86400) for group in news.groups] == [days] * len(kind)
    another = Looks(path)
    put(path, failure("disk 8 full", timedelta(seconds=-1)))
    assert looks.templates() == []
    assert another.templates() == []  # of a process that has seen no message yet


def test_group_may_be_back_again_for_one_process(tmp_path):
    """A process that looks for weeks takes no message for known for ever."""
    path = str(tmp_path / "learning.db")
    put(path, failure("disk 5 full", timedelta(days=20)))
    looks = Looks(path, began=NOW - timedelta(days=30))
    put(path, failure("disk 5 full", timedelta(days=19)))
    assert looks.templates() == []
    put(path, failure("disk 5 full", timedelta(days=9)))
    assert looks.templates() == [("disk <N> full", "back")]


def test_filters_say_whose_news_it_is(path):
    """A group of another repository is known to its own."""
    put(path, failure("of both", repo="shop"))
    looks = Looks(path, Selection(repo="site"))
    put(path, failure("of both", repo="site"), failure("of the shop", repo="shop"))

    assert looks.templates() == [("of both", "new")]


def test_minutes_have_what_ended_in_them(path):
    """By the end of an execution, not its start."""
    looks = Looks(path, Selection(repo="shop"))
    ended = NOW - timedelta(minutes=3)
    begun = {"age": timedelta(minutes=63), "duration_seconds": 3600.0, "repo": "shop"}
    put(
        path,
        failure("a", **begun),
        record(timestamp=ended, repo="shop", duration_seconds=0.0),
        failure("b", timedelta(minutes=30), repo="shop"),
        record(timestamp=NOW, repo="site"),
    )

    assert looks.look().minutes == {ended.strftime("%Y-%m-%dT%H:%M"): (2, 1)}


def test_deleted_rows_make_nothing_new(path):
    """Neither those of the place, nor all that there were."""
    put(path, *(failure("disk 6 full", timedelta(hours=1)) for _ in range(20)))
    looks = Looks(path)
    with LearningDatabase(path) as database:
        store_of(database).transact(
            lambda execute: execute(
                "DELETE FROM executions WHERE rowid IN (SELECT rowid FROM executions ORDER BY rowid DESC LIMIT 10)"
            )
        )
    put(path, failure("disk 7 full"))
    assert looks.templates() == []
    prune(path, Limits(keep=0))
    put(path, failure("of the emptied file"))

    assert looks.templates() == [("of the emptied file", "new")]
