"""Vectors of descriptions are made once, kept apart by model, and gone with the last execution."""

import logging
import multiprocessing
import os
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest
from benchmarks.similar import local_model
from pages import ROOT, blocks

from learning_instrument import ExecutionRecord, LearningDatabase, configure, record_execution, shutdown
from learning_instrument.analytics import Selection, similar_executions
from learning_instrument.errors import ConfigurationError, DatabaseError
from learning_instrument.maintenance import limits, prune, stored_vectors
from learning_instrument.outcome import Outcome
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from learning_instrument.storage import vectors

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Model:
    """Counts letters, and remembers the texts that it was given."""

    def __init__(self, letters=LETTERS):
        self.letters = letters
        self.texts = []

    def embed(self, texts):
        self.texts.extend(texts)
        return [[text.count(letter) for letter in self.letters] for text in texts]

    def described(self, *known):
        """Return the texts but for the question and the probe, which are the first two of each call for them."""
        return [text for text in self.texts if text in known]


def store(database, *descriptions, **values):
    database.append(ExecutionRecord(task_type="fix", task_description=text, **values) for text in descriptions)


def ask(database, model, text="listen", **options):
    options = {"embed_model": "letters", "threshold": 0.9, **options}
    return [one.task_description for one in similar_executions(database, text, embed=model.embed, **options)]


def kept(database):
    rows = database.query("SELECT task_description, model FROM description_vectors ORDER BY 1, 2")
    return [(row["task_description"], row["model"]) for row in rows]


def has_index(database):
    return bool(database.query("SELECT 1 FROM sqlite_master WHERE name = 'idx_executions_description'"))


def test_description_is_embedded_once(database):
    """By the first question; a later one embeds what is new, and itself."""
    store(database, "silent", "zebra", "silent")
    model = Model()

    assert ask(database, model) == ["silent", "silent"]
    assert sorted(model.described("silent", "zebra")) == ["silent", "zebra"]
    store(database, "enlist")
    later = Model()
    assert ask(database, later) == ["enlist", "silent", "silent"]
    assert later.described("silent", "zebra", "enlist") == ["enlist"]


def test_what_shares_nothing_does_not_come(database):
    """At any threshold; the best few of the rest do."""
    store(database, "silent", "qqq", "quiet")

    assert ask(database, Model(), threshold=0.0) == ["silent", "quiet"]
    assert ask(database, Model(), threshold=0.0, limit=1) == ["silent"]
    assert ask(database, Model(), "q", threshold=0.0) == ["qqq", "quiet"]


def _asked_elsewhere(path, texts):
    model = Model()
    with LearningDatabase(path) as database:
        ask(database, model)
    texts.put(model.described("silent"))


@pytest.mark.slow
def test_description_is_embedded_once_for_all_processes(database):
    """The vectors are in the file."""
    store(database, "silent")
    ask(database, Model())
    context = multiprocessing.get_context("spawn")
    texts = context.Queue()
    process = context.Process(target=_asked_elsewhere, args=(database.path, texts))
    process.start()

    assert texts.get(timeout=60) == []
    process.join()


def test_all_descriptions_are_embedded_in_batches(database):
    """However many; progress tells how far it is, and the log what it does."""
    store(database, *(f"text number {number}" for number in range(2100)), "silent")
    told = []

    found = similar_executions(
        database,
        "listen",
        embed=lambda texts: [[text in ("silent", "listen"), 0.1] for text in texts],
        progress=lambda *what: told.append(what),
        threshold=0.9,
        limit=1,
    )

    assert [one.task_description for one in found] == ["silent"]
    assert len(kept(database)) == 2101
    assert [done for _, done, _ in told] == [*range(256, 2101, 256), 2101]
    assert {of for _, _, of in told} == {2101}


def test_log_says_what_the_first_question_does(database, caplog):
    """Not the later ones."""
    caplog.set_level(logging.INFO, "learning_instrument")
    store(database, "silent", "zebra")
    for _ in range(2):
        ask(database, Model())

    (line,) = [record.getMessage() for record in caplog.records if "mbedding" in record.getMessage()]
    assert line == "Embedding 2 descriptions by letters: they are stored, so each is embedded once."


def test_interrupted_first_question_keeps_what_it_embedded(database):
    """The next goes on there."""
    store(database, *(f"text number {number}" for number in range(600)))
    model = Model()

    def interrupt(what, done, of):
        if done >= 512:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(database, model, progress=interrupt)
    assert len(kept(database)) == 512
    later = Model()
    ask(database, later)
    assert len([text for text in later.texts if text.startswith("text number")]) == 88


def test_only_the_selected_are_embedded(database):
    """A model may cost money."""
    store(database, "silent", repo="a")
    store(database, "zebra", repo="b")
    model = Model()

    assert ask(database, model, selection=Selection(repo="a")) == ["silent"]
    assert model.described("silent", "zebra") == ["silent"]


def test_models_have_their_own_vectors(database):
    """One question never compares those of two."""
    store(database, "silent", "zebra")
    ask(database, Model())
    other = Model("zebra")

    assert ask(database, other, "arbez", embed_model="other") == ["zebra"]
    assert sorted(other.described("silent", "zebra")) == ["silent", "zebra"]
    assert kept(database) == [(text, name) for text in ("silent", "zebra") for name in ("letters", "other")]


def test_vectors_of_another_length_are_refused(database):
    """With the lengths and the remedy."""
    store(database, "silent")
    ask(database, Model())

    with pytest.raises(
        ConfigurationError,
        match=r"have 5 numbers, those stored as 'letters' 26\. .*embed_model.*prune --vectors letters",
    ):
        ask(database, Model("zebra"))


def test_another_model_of_the_same_name_is_refused(database):
    """Though its vectors have the same length."""
    store(database, "silent")
    ask(database, Model())

    with pytest.raises(ConfigurationError, match=r"not of the model whose vectors are stored as 'letters'"):
        ask(database, Model(LETTERS[::-1]))
    assert ask(database, Model(LETTERS[::-1]), embed_model="reversed") == ["silent"]


def test_model_that_is_not_named_has_the_name_of_the_function(database):
    """So that its vectors are kept as well."""
    store(database, "silent")
    for model in (first := Model(), Model()):
        ask(database, model, embed_model=None)

    assert kept(database) == [("silent", f"{__name__}.Model.embed")]
    assert first.described("silent") == ["silent"]
    assert model.described("silent") == []


@pytest.mark.parametrize("name", ["", 7, b"x"])
def test_model_name_is_text(database, name):
    """With the value."""
    with pytest.raises(ConfigurationError, match="embed_model"):
        ask(database, Model(), embed_model=name)


def test_database_that_is_only_read_keeps_nothing(database):
    """And answers."""
    store(database, "silent", "zebra")
    database.close()
    before = os.stat(database.path).st_mtime_ns

    with ReadOnlyDatabase(database.path) as questions:
        assert ask(questions, Model()) == ["silent"]
    assert os.stat(database.path).st_mtime_ns == before
    ask(database, Model())
    with ReadOnlyDatabase(database.path) as questions:  # but it reads what there is
        assert ask(questions, model := Model()) == ["silent"]
    assert model.described("silent", "zebra") == []


def test_older_schema_answers(database):
    """Without the tables of vectors."""
    store(database, "silent")
    database.close()
    with sqlite3.connect(database.path) as older:
        older.executescript(
            "DROP TABLE description_vectors; DROP TABLE vector_models; DROP TRIGGER vectors_after_delete;"
            "DROP TRIGGER vectors_after_update; PRAGMA user_version = 19"
        )
    older.close()

    with ReadOnlyDatabase(database.path) as questions:
        assert ask(questions, Model()) == ["silent"]
        assert stored_vectors(questions) == []


def test_vectors_that_cannot_be_stored_answer_all_the_same(database, monkeypatch, caplog):
    """On a full disk, for example."""
    store(database, "silent")

    def fail(*arguments):
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(database, "_keep_vectors", fail)

    assert ask(database, Model()) == ["silent"]
    assert "the disk is full" in caplog.text


def test_nothing_is_kept_where_no_vectors_are(database):
    """No row, and no index that inserts would keep up."""
    store(database, "silent")
    similar_executions(database, "silent")

    assert (kept(database), has_index(database)) == ([], False)
    ask(database, Model())
    assert has_index(database)


def test_execution_without_contents_has_no_vector(tmp_path):
    """It has no description."""
    database = configure(tmp_path / "learning.db")
    try:
        record_execution(capture_content=False)(lambda task: None)({"task_type": "fix", "prompt": "silent"})
        assert ask(database, model := Model()) == []
        assert (kept(database), model.texts) == ([], [])
    finally:
        shutdown()


def test_vector_goes_with_the_last_execution(database):
    """Of its description, in any model."""
    store(database, "silent", "silent", "zebra")
    for name in ("letters", "other"):
        ask(database, Model(), embed_model=name)

    database._store.transact(lambda execute: execute("DELETE FROM executions WHERE rowid = 1"))
    assert len(kept(database)) == 4
    database._store.transact(lambda execute: execute("DELETE FROM executions WHERE rowid = 2"))
    assert kept(database) == [("zebra", "letters"), ("zebra", "other")]


def test_vector_goes_when_a_result_replaces_the_description(database):
    """A lost execution was stored with what was known when it began."""
    store(database, "silent", execution_id="one", outcome=Outcome.LOST)
    ask(database, Model())
    store(database, "zebra", execution_id="one")

    assert kept(database) == []


def test_vector_goes_whatever_became_of_the_rowids(database):
    """VACUUM may renumber them, and SQLite gives those of deleted newest rows to new ones."""
    store(database, "first", "silent", "zebra")
    ask(database, Model())
    database._store.transact(lambda execute: execute("DELETE FROM executions WHERE rowid IN (1, 3)"))
    store(database, "enlist")
    database.close()
    with sqlite3.connect(database.path) as connection:
        connection.execute("VACUUM")
    connection.close()

    assert kept(database) == [("silent", "letters")]
    database._store.transact(lambda execute: execute("DELETE FROM executions WHERE task_description = 'silent'"))
    assert kept(database) == []
    assert ask(database, Model()) == ["enlist"]


def test_vector_goes_with_pruned_executions(database):
    """As with those that retention deletes, by the same statement."""
    now = datetime.now(timezone.utc)
    store(database, "silent", timestamp=now - timedelta(days=9))
    store(database, "zebra", timestamp=now)
    ask(database, Model())
    database.close()

    prune(database.path, limits(timedelta(days=2), None, None))

    assert kept(database) == [("zebra", "letters")]


def test_vector_of_an_execution_that_was_deleted_meanwhile_is_not_stored(database):
    """Those who asked to be forgotten are."""
    store(database, "silent", "zebra")

    class Slow(Model):
        def embed(self, texts):
            database._store.transact(lambda execute: execute("DELETE FROM executions WHERE rowid = 1"))
            return super().embed(texts)

    assert ask(database, Slow()) == []
    assert kept(database) == [("zebra", "letters")]


def test_another_model_that_took_the_name_meanwhile_keeps_it(database):
    """The vectors of the second are not among those of the first."""
    store(database, "silent", "zebra")
    database._store.transact(lambda execute: vectors.add(execute, "letters", b"1234", {"silent": b"1111"}))
    database._store.transact(lambda execute: vectors.add(execute, "letters", b"4321", {"zebra": b"2222"}))

    assert kept(database) == [("silent", "letters")]


def test_likeness_is_read_beside_what_unrelated_descriptions_have(database):
    """A model whose cosines are all high has no more close ones."""
    texts = [f"{one}{two}" * 3 for one in LETTERS[:13] for two in LETTERS[13:]]
    store(database, *texts, "silent")

    def likeness(base):
        def embed(texts):
            return [[*(text.count(letter) for letter in LETTERS), base * len(text)] for text in texts]

        found = similar_executions(database, "listen", embed=embed, embed_model=f"{base}", limit=200)
        return {one.task_description: one.likeness for one in found}, min(one.score for one in found)

    low, _ = likeness(0.1)
    high, least = likeness(3.0)

    assert least > 0.9
    assert (low["silent"], high["silent"]) == ("close", "close")
    assert set(low.values()) >= {"close", "far"}
    assert {text for text, word in high.items() if word == "close"} == {"silent"}


@pytest.mark.slow
def test_local_model_finds_what_words_do_not(database):
    """One of 16 MB that comes in a wheel; its vectors are numpy's."""
    embed = local_model()
    if embed is None:
        pytest.skip("needs wordllama")
    store(database, "login fails with a wrong password", "write the release notes", "translate labels to German")

    for _ in range(2):
        (found,) = similar_executions(
            database, "users cannot authenticate", embed=embed, embed_model="wordllama", limit=1
        )
        assert found.task_description == "login fails with a wrong password"
    assert similar_executions(database, "users cannot authenticate") == []
    assert {len(row["vector"]) for row in database.query("SELECT vector FROM description_vectors")} == {1024}


@pytest.mark.slow
def test_page_shows_what_the_local_model_finds(tmp_path):
    """Its program runs as it stands."""
    pytest.importorskip("wordllama")
    (block,) = [b for b in blocks((ROOT / "docs" / "how-to" / "similar.md").read_text("utf-8")) if b.not_run]

    done = subprocess.run([sys.executable, "-c", block.text], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout == block.shown
