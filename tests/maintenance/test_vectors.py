"""Stored vectors are counted, deleted by model, and their space given back."""

import os

import pytest
from asking import answer, ask, document, record, store

from learning_instrument import LearningDatabase
from learning_instrument.analytics import similar_executions
from learning_instrument.errors import ConfigurationError
from learning_instrument.maintenance import StoredVectors, delete_vectors, stored_vectors

DESCRIPTIONS = 600


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("vectors") / "learning.db"
    store(path, *(record(task_description=f"text number {number}") for number in range(DESCRIPTIONS)))
    with LearningDatabase(path) as database:
        for name, size in (("a model", 256), ("other", 2)):
            embed = _embed_of(size)
            similar_executions(database, "text", embed=embed, embed_model=name)
    return path.read_bytes()


def _embed_of(size):
    return lambda texts: [[float(len(text))] * size for text in texts]


@pytest.fixture
def path(content, tmp_path):
    """The path of a database with vectors by two models."""
    path = tmp_path / "learning.db"
    path.write_bytes(content)
    return str(path)


A_MODEL = StoredVectors("a model", DESCRIPTIONS, DESCRIPTIONS * 1024)
OTHER = StoredVectors("other", DESCRIPTIONS, DESCRIPTIONS * 8)


def known(path):
    with LearningDatabase(path) as database:
        index = database.query("SELECT 1 FROM sqlite_master WHERE name = 'idx_executions_description'")
        return stored_vectors(database), bool(index)


def test_vectors_of_one_model_are_deleted(path):
    """In slices; the index goes with those of the last model."""
    told = []

    assert known(path) == ([A_MODEL, OTHER], True)
    assert delete_vectors(path, "a model", progress=lambda *what: told.append(what)) == A_MODEL
    assert known(path) == ([OTHER], True)
    assert told[:2] == [("Deleting vectors", 500, 600), ("Deleting vectors", 600, 600)]
    with LearningDatabase(path) as database:
        assert delete_vectors(database, "other") == OTHER
        assert len(database.query("SELECT 1 FROM executions")) == DESCRIPTIONS
    assert known(path) == ([], False)


def test_space_is_given_back(path):
    """600 kB of vectors."""
    before = os.path.getsize(path)

    delete_vectors(path, "a model")

    assert os.path.getsize(path) < before - DESCRIPTIONS * 1000


def test_unknown_model_is_refused(path):
    """With those there are."""
    with pytest.raises(ConfigurationError, match="by 'x': expected 'a model' or 'other'"):
        delete_vectors(path, "x")


def test_prune_deletes_vectors(path):
    """Of one model, and no executions."""
    rehearsal = answer(path, "prune", "--vectors", "a model", "--dry-run")
    assert rehearsal == "600 vectors by a model would be deleted: 614.4 kB.\n"
    assert known(path)[0] == [A_MODEL, OTHER]
    refused = ask(path, "prune", "--vectors", "a model")
    assert (refused.exit_code, "pass --yes" in refused.stderr) == (2, True)

    assert answer(path, "prune", "--vectors", "a model", "--yes") == "Deleted 600 vectors: 614.4 kB.\n"
    assert known(path)[0] == [OTHER]


@pytest.mark.parametrize("options", [["--vectors", "x"], ["--vectors", "other", "--keep", "3"]])
def test_prune_says_what_is_wrong_with_vectors(path, options):
    """On one line."""
    refused = ask(path, "prune", *options, "--yes")

    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert known(path)[0] == [A_MODEL, OTHER]


def test_doctor_says_the_size_of_vectors(path):
    """With the command that deletes them."""
    found = [each for each in document(path, "doctor") if each["check"] == "vectors"]

    assert [(each["severity"], each["what"], each["remedy"]) for each in found] == [
        (
            "note",
            "600 descriptions have vectors by a model: 0.6 MB.",
            "Nothing has to be done; learning-instrument prune --vectors 'a model' deletes them.",
        ),
        (
            "note",
            "600 descriptions have vectors by other: 0.0 MB.",
            "Nothing has to be done; learning-instrument prune --vectors other deletes them.",
        ),
    ]
