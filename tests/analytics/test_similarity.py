"""Executions of tasks like this one: the same from the index as from the descriptions."""

import itertools
import math
from datetime import datetime, timedelta, timezone

import pytest
from executions import LIVES, Asked, live, new_database
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord
from learning_instrument.analytics.similarity import similar_executions
from learning_instrument.analytics.sources import sqlite_words
from learning_instrument.analytics.sources.source import source_of
from learning_instrument.errors import ConfigurationError
from learning_instrument.outcome import Outcome
from learning_instrument.record import row_from_record
from learning_instrument.rollups import search_index
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.sqlite.selection import Selection

NOW = datetime.now(timezone.utc)


@pytest.fixture
def store(database):
    """A connection for writing to ``database``."""
    connection = WriteConnection(database.path, 5.0)
    yield connection
    connection.close()


def task(description, days=0, **values):
    timestamp = NOW - timedelta(days=days)
    return ExecutionRecord(task_type="fix", task_description=description, timestamp=timestamp, **values)


def index_all(store, rows=3):
    while search_index.advance(store, rows):
        pass


def found(database, description, *arguments, **keywords):
    return [one.task_description for one in similar_executions(database, description, *arguments, **keywords)]


@pytest.mark.parametrize("is_indexed", [False, True])
def test_same_words_are_most_alike(database, store, is_indexed):
    """In any order and case, with or without accents."""
    database.append([task("fix the login page"), task("Page LÓGIN: fix the!"), task("write the release notes")])
    if is_indexed:
        index_all(store)

    similar = similar_executions(database, "fix the login page", threshold=0.7)

    assert [(one.task_description, one.score) for one in similar] == [
        ("Page LÓGIN: fix the!", 1.0),
        ("fix the login page", 1.0),
    ]


def test_rare_words_weigh_more(database, store):
    """What every task has says little."""
    database.append([task("fix the parser"), task("fix the kettle")] + [task(f"fix the {n}th bug") for n in range(50)])
    index_all(store)

    scores = {one.task_description: one.score for one in similar_executions(database, "parser", threshold=0.0)}

    assert scores.keys() == {"fix the parser"}
    assert found(database, "fix kettle", threshold=0.7) == ["fix the kettle"]


def test_fresh_execution_is_found(database, store):
    """Before the index has it, and after."""
    database.append([task("one thing")])
    index_all(store)
    database.append([task("fresh one thing"), task("other")])

    assert found(database, "fresh one thing", threshold=0.9) == ["fresh one thing"]
    index_all(store)
    assert found(database, "fresh one thing", threshold=0.9) == ["fresh one thing"]


@pytest.mark.parametrize("is_indexed", [False, True])
def test_only_the_selected(database, store, is_indexed):
    """By time, repository and type."""
    database.append([task("fix it", repo="a"), task("fix it", repo="b", days=5), task("fix it", repo="a", days=100)])
    if is_indexed:
        index_all(store)

    assert len(found(database, "fix it")) == 3
    assert len(found(database, "fix it", Selection(repo="a"))) == 2
    assert len(found(database, "fix it", Selection(since=NOW - timedelta(days=10)))) == 2


def test_best_few_come_whatever_their_scores(database, store):
    """With the word for each score; never one that shares nothing."""
    database.append(
        task(text)
        for text in (
            "fix the login page",
            "fix the login form of the web shop",
            "fix the dates in reports of last month",
            "write the tests of it",
            *(f"mend part {n}" for n in range(200)),
        )
    )
    index_all(store, 100)

    similar = similar_executions(database, "fix the login page")

    assert [(one.task_description, one.likeness) for one in similar] == [
        ("fix the login page", "close"),
        ("fix the login form of the web shop", "close"),
        ("fix the dates in reports of last month", "related"),
        ("write the tests of it", "far"),
    ]
    assert [one.score for one in similar] == sorted((one.score for one in similar), reverse=True)
    assert found(database, "x y z") == []


def test_old_execution_of_rare_words_is_found_below_many_newer(database, store, monkeypatch):
    """Each word has a list of its own; what all have does not crowd out what few have."""
    monkeypatch.setattr(sqlite_words, "LISTED", 10)
    monkeypatch.setattr(sqlite_words, "COMPARED", 5)
    monkeypatch.setattr(sqlite_words, "_COUNTED", 20)
    database.append([task("mend the kettle")] + [task(f"mend the part {n}") for n in range(200)])
    index_all(store, 100)

    assert found(database, "mend the old kettle", limit=1) == ["mend the kettle"]
    assert found(database, "mend the part", Selection(where="task_description=mend the part 195")) == [
        "mend the part 195"
    ]


def test_number_of_executions_with_a_frequent_word_is_estimated(database, store, monkeypatch):
    """From the newest: counting all would read them all."""
    database.append(task(f"mend {'part' if n % 4 else 'whole'} {n}") for n in range(400))
    index_all(store, 100)
    counted = found_scores(database, "mend whole 12")
    monkeypatch.setattr(sqlite_words, "_COUNTED", 20)

    assert found_scores(database, "mend whole 12") == pytest.approx(counted, abs=0.05)


def test_executions_that_are_gone_are_not_counted(database, store):
    """The oldest go first: by retention, and by prune."""
    database.append([task(f"fix the {n}th bug") for n in range(50)])
    index_all(store, 100)
    store.execute("DELETE FROM executions WHERE rowid <= 40")

    assert source_of(database).frequencies({"fix", "45th", "5th"}) == (10, {"fix": 10, "45th": 1, "5th": 0})


def found_scores(database, description):
    return [one.score for one in similar_executions(database, description, limit=5)]


def test_no_more_than_the_limit(database):
    """The newest of those equally alike."""
    database.append([task("fix it", days=day) for day in (2, 1, 0)])

    (newest,) = similar_executions(database, "fix it", limit=1)

    assert newest.timestamp == NOW


def test_stand_ins_are_none(database):
    """No cost was reported, so it was not 0."""
    database.append([task("fix it"), task("fix it", actual_cost=0.5)])

    assert {one.cost_usd for one in similar_executions(database, "fix it")} == {None, 0.5}


HOSTILE = [
    "", " ", '"', "'", '"unbalanced', "a AND", "NOT", "OR OR OR", "NEAR(a b, 5)", "fix*", "task_description:fix",
    "-fix", "^fix", "fix;--", "'; DROP TABLE executions; --", "(((", "{a b}:c", "a + b", "\x00", "a\x00b", "\ud800",
    "%s %d {}", "🎉", "ﬁx ①②", "ǅ İstanbul ß", "日本語 テスト", "a" * 10_000, " ".join(f"w{n}" for n in range(3000)),
]  # fmt: skip


def test_hostile_descriptions_break_nothing(database, store, subtests):
    """Operators, quotes, what is no text in any language."""
    stored = [description.encode(errors="replace").decode() for description in HOSTILE]
    database.append([task("fix the login page"), *map(task, stored)])
    index_all(store)
    database.append([task("above the mark")])

    for description in HOSTILE:
        with subtests.test(description=description):
            similar_executions(database, description, threshold=0.0)

            assert len(database.query("SELECT * FROM executions")) == len(HOSTILE) + 2


WORDS = (
    "fix", "the", "login", "page", "bug", "in", "parser", "of", "module", "x1", "x2", "Größe", "naïve", "_a_b",
)  # fmt: skip
words = st.lists(st.sampled_from(WORDS), max_size=6)
# SQLite knows the letters of Unicode 6.1: a code point that was assigned later can end a word for one of us only.
descriptions = words.map(" ".join) | st.text(st.characters(max_codepoint=0x24F), max_size=20)


@given(
    known=st.lists(descriptions, max_size=12),
    fresh=st.lists(descriptions, max_size=4),
    asked=descriptions,
    threshold=st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]),
    gone=st.integers(0, 4),
    lives=st.lists(LIVES, max_size=3),
)
@settings(max_examples=60)
def test_rarest_words_find_all_that_are_alike_enough(known, fresh, asked, threshold, gone, lives):
    """As many as with all words, after any deletes, changes and replaced lost rows."""
    with new_database() as store:
        outcomes = itertools.cycle((Outcome.SUCCEEDED, Outcome.LOST, Outcome.FAILED))
        store.insert([row_from_record(task(text, outcome=next(outcomes))) for text in known])
        index_all(store)
        store.execute("DELETE FROM executions WHERE rowid % 5 = ?", [gone])
        store.execute("UPDATE executions SET task_description = 'fix parser' WHERE rowid % 4 = ?", [gone])
        store.insert([row_from_record(task(description)) for description in fresh])
        for operation in lives:
            live(store, operation)
        database = Asked(store._path)
        rarest = similar_executions(database, asked, threshold=threshold, limit=100)
        every = similar_executions(database, asked, threshold=0.0, limit=100)
        store.execute("INSERT INTO execution_search (execution_search) VALUES ('integrity-check')")

    assert rarest == [one for one in every if one.score >= threshold - 1e-9]


@given(
    stored=st.lists(descriptions, max_size=30),
    asked=descriptions,
    fills=st.lists(st.integers(1, 12), max_size=4),
    few=st.integers(1, 40),
    gone=st.integers(0, 4),
    lives=st.lists(LIVES, max_size=2),
)
@settings(max_examples=60, deadline=None)
def test_how_far_the_index_has_come_changes_no_answer(stored, asked, fills, few, gone, lives):
    """Neither scores nor the order, also where words are estimated and not all executions compared."""
    with new_database() as store, pytest.MonkeyPatch.context() as patch:
        for name, value in {"_COUNTED": few, "LISTED": few, "COMPARED": few, "_SLICE": 7}.items():
            patch.setattr(sqlite_words, name, value)
        store.insert([row_from_record(task(description)) for description in stored])
        store.execute("DELETE FROM executions WHERE rowid % 5 = ?", [gone])
        for operation in lives:
            live(store, operation)
        database = Asked(store._path)
        answers = [similar_executions(database, asked, limit=50)]
        for rows in fills:
            search_index.advance(store, rows)
            answers.append(similar_executions(database, asked, limit=50))
        index_all(store)
        filled = similar_executions(database, asked, limit=50)

    assert answers == [filled] * len(answers)


def test_of_very_many_executions_without_index_the_newest_are_looked_at(database, store, monkeypatch):
    """And all of those that have it."""
    monkeypatch.setattr(sqlite_words, "_NEWEST", 2)
    database.append([task("fix an old one")])
    index_all(store)
    database.append([task(f"fix {name}") for name in ("a", "b", "c", "d")])

    assert found(database, "fix") == ["fix d", "fix c", "fix an old one"]


def test_answer_is_the_same_while_a_rebuild_empties_the_index(database, store):
    """Between two of the statements of one question, and anew while it is filled again."""
    database.append([task("fix the parser"), task("fix the kettle"), task("write the notes")])
    index_all(store)
    expected = similar_executions(database, "fix the kettle")

    class Meanwhile:
        asked = 0

        def query(self, *arguments):
            self.asked += 1
            if self.asked in (2, 5):
                search_index.reset(store)
                search_index.advance(store, self.asked - 2)
            return database.query(*arguments)

    meanwhile = Meanwhile()

    assert similar_executions(meanwhile, "fix the kettle") == expected
    assert meanwhile.asked > 8


def test_copy_under_other_rowids_is_indexed_anew(database, store):
    """A file restored from a dump has an index of rows it does not have."""
    database.append([task("fix it"), task("other words")])
    index_all(store)
    store.execute("UPDATE search_state SET execution_id = 'of another file'")

    assert found(database, "fix it") == ["fix it"]
    index_all(store)
    assert store.execute("SELECT mark FROM search_state") == [(2,)]
    assert found(database, "fix it") == ["fix it"]


def embed_letters(texts):
    """Return how often each letter is in each text."""
    return [[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]


def test_vectors_of_a_caller_find_what_words_do_not(database):
    """An anagram has no word in common."""
    database.append([task("silent"), task("zebra"), task("silent")])

    assert found(database, "listen") == []
    similar = similar_executions(database, "listen", embed=embed_letters, threshold=0.9)
    assert [(one.task_description, one.score) for one in similar] == [("silent", pytest.approx(1.0))] * 2


@pytest.mark.parametrize(
    "embed", [lambda texts: [[1.0]], lambda texts: [[1.0] * n for n, _ in enumerate(texts)], "all-MiniLM-L6-v2"]
)
def test_vectors_that_do_not_fit_are_refused(database, embed):
    """One for each text, all of one length."""
    database.append([task("fix it"), task("other")])

    with pytest.raises(ConfigurationError, match="one for each text"):
        similar_executions(database, "fix it", embed=embed)


def test_arguments_of_no_use_are_refused(database, subtests):
    """With the value."""
    for wrong in [
        {"limit": 0},
        {"limit": True},
        {"limit": 1.5},
        {"threshold": 1.1},
        {"threshold": math.nan},
        {"threshold": "0.5"},
    ]:
        with subtests.test(wrong=wrong), pytest.raises(ConfigurationError, match=next(iter(wrong))):
            similar_executions(database, "fix it", **wrong)


def test_description_is_text(database):
    """Not a task, and not None."""
    with pytest.raises(ConfigurationError, match="expected text"):
        similar_executions(database, None)


def test_database_answers_for_the_last_days(database):
    """As promised, in dicts."""
    database.append([task("fix the login page", repo="a"), task("fix the login page", repo="a", days=91)])
    database.append([task("fix the logout page", repo="b")])

    (one,) = database.find_similar_executions("fix the login page", repo="a")

    assert (one["task_description"], one["score"], one["success"]) == ("fix the login page", 1.0, True)
    assert one["likeness"] == "close"
    assert len(database.find_similar_executions("fix the roof")) == 2
    assert len(database.find_similar_executions("fix the login page", threshold=0.1, days_back=100)) == 3
    assert len(database.find_similar_executions("fix the login page", threshold=0.1, limit=1)) == 1
    with pytest.raises(ConfigurationError, match="days_back"):
        database.find_similar_executions("fix", days_back=0)
