"""What can be read of damaged databases."""

import os

import pytest
from asking import answer, ask, document

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.maintenance.recovery import recover
from learning_instrument.sqlite.renewal import set_aside_files

PAGE = 4096


def make(path, number=400, start=0):
    with LearningDatabase(path) as database:
        database.append(
            [
                ExecutionRecord(task_type="x", execution_id=f"e-{n}", task_description="word " * 60)
                for n in range(start, start + number)
            ]
        )
        database.add_feedback(f"e-{start}", rating=5)


def overwrite(path, pages):
    with open(path, "r+b") as file:
        for page in pages:
            file.seek(page * PAGE)
            file.write(b"\x55" * PAGE)


def count(path):
    with LearningDatabase(path) as database:
        return database.query("SELECT count(*) AS n FROM executions")[0]["n"]


@pytest.fixture
def path(tmp_path):
    """The path of a database of 400 executions."""
    make(tmp_path / "learning.db")
    return tmp_path / "learning.db"


def test_rows_of_undamaged_pages_come_back(path):
    """Each row came back, or is counted; what the database has by then stays."""
    size = os.path.getsize(path) // PAGE
    overwrite(path, range(size - 40, size - 30))
    before = path.read_bytes()

    (found,) = recover(path)

    assert found.executions + found.unreadable == 400
    assert 0 < found.unreadable < 200
    assert count(path) == found.executions
    assert [found.file] == set_aside_files(str(path))
    with open(found.file, "rb") as file:
        assert file.read() == before


def test_recovery_may_be_repeated(path):
    """One execution is one row, one piece of feedback one piece."""
    os.rename(path, f"{path}.corrupt-20261126T000000Z")
    make(path, 10, start=395)

    first, second = recover(path), recover(path)

    assert [(each.executions, each.known, each.unreadable) for each in (*first, *second)] == [(395, 5, 0), (0, 400, 0)]
    assert count(path) == 405
    with LearningDatabase(path) as database:
        assert len(database.query("SELECT 1 FROM feedback")) == 2


def test_rows_behind_a_lost_first_page_come_back(path):
    """It has the beginning of the schema."""
    with open(path, "r+b") as file:
        file.write(bytes(PAGE))

    (found,) = recover(path)

    assert (found.executions, found.unreadable) == (400, 0)


def test_command_says_what_came_back_and_deletes_if_told_to(path):
    """Doctor names the file until then."""
    os.rename(path, f"{path}.corrupt-20261126T000000Z")
    make(path, 1, start=1000)
    assert "corrupt-20261126T000000Z" in answer(str(path), "doctor")

    said = answer(str(path), "recover", "--delete")

    assert (
        said == f"{path}.corrupt-20261126T000000Z: 400 executions came back, 0 were there, 0 cannot be read; deleted.\n"
    )
    assert set_aside_files(str(path)) == []
    assert answer(str(path), "recover") == f"No damaged database was set aside beside {path}.\n"
    assert "corrupt-" not in answer(str(path), "doctor")


def test_command_takes_a_file_and_refuses_what_is_none(path, tmp_path):
    """A backup that was damaged elsewhere, for example."""
    other = tmp_path / "other.db"

    assert document(str(other), "recover", str(path))[0]["executions"] == 400
    assert ask(str(other), "recover", str(tmp_path / "missing")).exit_code == 2
    assert ask(str(other), "recover", str(other)).exit_code == 2


def test_pipe_is_left_alone(tmp_path):
    """Opening it would wait for a writer for ever."""
    os.mkfifo(tmp_path / "learning.db")

    assert recover(tmp_path / "learning.db") == []
