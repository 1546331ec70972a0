"""``delete``, as a command."""

import pytest
from asking import answer, ask, document, record, store


@pytest.fixture
def path(tmp_path):
    """A database with three executions, one of which is within another."""
    path = str(tmp_path / "learning.db")
    store(
        path,
        record(execution_id="aaa1", task_id="one", repo="shop"),
        record(execution_id="aab2", task_id="two", parent_execution_id="aaa1"),
        record(execution_id="ccc3", task_id="three", metadata={"customer": "acme"}),
    )
    return path


def left(path):
    return {each["execution_id"] for each in document(path, "list")}


def test_execution_goes_by_the_beginning_of_its_id(path):
    """With what is within it, which is counted."""
    assert answer(path, "delete", "aaa", "--dry-run") == (
        "1 of 3 executions and 1 execution within them would be deleted.\n"
    )
    assert left(path) == {"aaa1", "aab2", "ccc3"}

    assert answer(path, "delete", "aaa", "--yes") == "Deleted 1 of 3 executions and 1 execution within them.\n"
    assert left(path) == {"ccc3"}


@pytest.mark.parametrize(
    "filters", [["--where", "metadata.customer=acme"], ["--repo", "unknown", "--task-type", "fix"], ["three", "two"]]
)
def test_executions_go_by_filters_or_several_ids(path, filters):
    """Those that match, and no others."""
    found = document(path, "delete", *filters, "--yes")

    assert (found["executions"], found["is_rewritten"], found["is_log_empty"]) == (3 - len(left(path)), True, True)
    assert "ccc3" not in left(path)
    assert "aaa1" in left(path)


def test_nothing_is_deleted_by_accident(path):
    """Without a choice, by two, by an id that nothing has, without a terminal to confirm at."""
    for arguments, said in [
        (["--yes"], "Give IDs, or filters"),
        (["aaa", "--repo", "shop", "--yes"], "one of the three"),
        (["--all", "--repo", "shop", "--yes"], "one of the three"),
        (["zzz", "--yes"], "Unknown execution 'zzz'"),
        (["a", "--yes"], "Ambiguous execution id 'a'"),
        (["--repo", "shop"], "There is no terminal to answer at; pass --yes."),
    ]:
        result = ask(path, "delete", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr
    assert left(path) == {"aaa1", "aab2", "ccc3"}


@pytest.mark.parametrize(
    ("option", "said"), [("--yes", "No executions.\n"), ("--dry-run", "0 of 3 executions would be deleted.\n")]
)
def test_filters_that_match_nothing_say_so(path, option, said):
    """And name the values that there are; it is no error."""
    result = ask(path, "delete", "--repo", "shopp", option)

    assert (result.exit_code, result.stdout) == (0, said)
    assert "Did you mean shop?" in result.stderr


def test_all_executions_go_where_it_is_said(path):
    """And the file is there, and empty."""
    assert answer(path, "delete", "--all", "--yes") == "Deleted 3 of 3 executions.\n"
    assert left(path) == set()


def test_remains_are_said_and_a_second_run_removes_them(path, monkeypatch):
    """By exit code 1 as well; by then the id is that of nothing, and the run succeeds all the same."""
    with monkeypatch.context() as full:
        full.setattr("learning_instrument.sqlite.connection.WriteConnection.rewrite", lambda connection: False)
        full.setattr("learning_instrument.sqlite.connection.WriteConnection.empty_log", lambda *arguments: False)
        said = answer(path, "delete", "ccc3", "--yes", status=1)
    assert "was not written anew" in said
    assert "another process is reading" in said

    assert answer(path, "delete", "ccc3", "--yes") == (
        "Deleted 0 of 2 executions.\nAn earlier deletion that was interrupted is completed.\n"
    )
    assert ask(path, "delete", "ccc3", "--yes").exit_code == 2


def test_what_is_beyond_reach_is_named(path, tmp_path):
    """In the folder of the database."""
    answer(path, "backup", str(tmp_path / "copy.db"))

    assert str(tmp_path / "copy.db") in answer(path, "delete", "ccc3", "--yes")
