"""``report``: a page in a file."""

import os
import shutil
import stat
from datetime import datetime, timedelta, timezone

import pytest
from asking import answer, ask, record, store

NOW = datetime.now(timezone.utc)


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "learning.db")
    recent = [record(timestamp=NOW - timedelta(hours=hours), model_tier="small") for hours in range(30)]
    store(path, *recent, record(timestamp=NOW - timedelta(days=20), model_tier="large", outcome="failed"))
    return path


def test_report_is_a_file_that_its_owner_reads(path, tmp_path):
    """One line names it, its size and what it says; what was there is replaced."""
    out = tmp_path / "report.html"
    out.write_text("an earlier one")
    os.chmod(out, 0o640)
    new = tmp_path / "new.html"
    said = [answer(path, "report", "--out", str(each)) for each in (out, new)]

    assert [len(each.splitlines()) for each in said] == [1, 1]
    assert said[0].startswith(f"{out} (")
    assert out.read_bytes().startswith(b"<!doctype html>")
    assert [stat.S_IMODE(each.stat().st_mode) for each in (out, new)] == [0o640, 0o600]
    assert {each.name for each in tmp_path.iterdir() if "unfinished" in each.name} == set()


def test_report_has_its_name_by_default(path, tmp_path, monkeypatch):
    """It is written where the command is run."""
    monkeypatch.chdir(tmp_path)
    answer(path, "report")
    assert (tmp_path / "report.html").exists()


def test_window_and_filters_narrow_the_report(path, tmp_path):
    """With --since there is that period alone, and filters are named on it."""
    out = tmp_path / "report.html"
    answer(path, "report", "--out", str(out), "--since", "30d", "--model-tier", "large")
    html = out.read_text("utf-8")
    assert html.count(' data-only=""') == 1
    assert "task_type=fix" in html
    assert "model_tier=small" not in html
    assert "1 execution " in html
    assert "model_tier=large" in html


@pytest.mark.parametrize("since", ["0001-01-01", "1000-01-01", "739000d"])
def test_since_without_a_period_before_it_is_one_line(path, tmp_path, since):
    """It says what is missing, and what to choose; no file is left."""
    result = ask(path, "report", "--out", str(tmp_path / "report.html"), "--since", since)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "days before it to compare with; choose a later one." in result.stderr
    assert [each.name for each in tmp_path.iterdir() if not each.name.startswith("learning.db")] == []


def test_filter_that_nothing_passes_is_explained(path, tmp_path):
    """Neither line nor page says that nothing is recorded, and standard error names the values that there are."""
    out = tmp_path / "report.html"
    result = ask(path, "report", "--out", str(out), "--model-tier", "hgue")
    assert "No execution matches model_tier=hgue" in result.stdout
    assert result.stderr == "No execution has model_tier=hgue. The values: small (30), large (1).\n"
    assert "record" not in out.read_text("utf-8").split("<main", 1)[1]


def test_budget_is_forecast(path, tmp_path):
    """A budget has a section of its own."""
    out = tmp_path / "report.html"
    answer(path, "report", "--out", str(out), "--budget", "5", "--period", "week")
    assert "budget" in out.read_text("utf-8")


@pytest.mark.parametrize("line", [["--out", "FOLDER/none/report.html"], ["--out", "FOLDER"], ["--out", "DATABASE"]])
def test_file_that_cannot_be_written_is_one_line(path, tmp_path, line):
    """No such folder, a folder, and a database, which stays as it is."""
    before = os.stat(path).st_size
    named = [word.replace("FOLDER", str(tmp_path)).replace("DATABASE", path) for word in line]
    result = ask(path, "report", *named)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert os.stat(path).st_size == before


@pytest.mark.parametrize("command", [["report"], ["show", "e"]])
def test_missing_database_is_one_line_and_leaves_files_as_they_were(tmp_path, command):
    """Nothing is made where there is nothing to report, and an older page stays."""
    new, old = tmp_path / "new.html", tmp_path / "old.html"
    old.write_text("an earlier one")
    for out in (new, old):
        result = ask(str(tmp_path / "none.db"), *command, "--out", str(out))
        assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"old.html": "an earlier one"}


@pytest.mark.parametrize("command", [["report"], ["show", "e"]])
def test_file_that_cannot_be_written_is_said_before_the_database_is_asked(tmp_path, command):
    """A question may take long: of two faults, that of the file is named."""
    out = tmp_path / "none" / "page.html"
    result = ask(str(tmp_path / "none.db"), *command, "--out", str(out))
    assert (result.exit_code, result.stderr) == (2, f"Error: Cannot write {out}: No such file or directory.\n")


@pytest.mark.parametrize("command", [["report"], ["show", "e"]])
def test_page_is_written_to_standard_output(tmp_path, monkeypatch, command):
    """With --out - the page alone is there, and no file."""
    path = str(tmp_path / "learning.db")
    store(path, record(execution_id="e-1"))
    monkeypatch.chdir(tmp_path)
    printed = answer(path, *command, "--out", "-")
    assert printed.startswith("<!doctype html>")
    assert printed.endswith("</html>\n")
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize("command", [["report"], ["show", "e"]])
def test_full_disk_is_one_line(tmp_path, command):
    """Nor is there a traceback where only writing shows that a file cannot be written."""
    path = str(tmp_path / "learning.db")
    store(path, record(execution_id="e-1"))
    result = ask(path, *command, "--out", "/dev/full")
    assert (result.exit_code, result.stderr) == (2, "Error: Cannot write /dev/full: No space left on device.\n")


def test_read_only_file_in_a_read_only_folder_is_reported(path, tmp_path):
    """The database is only read."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    copy = folder / "learning.db"
    shutil.copyfile(path, copy)
    copy.chmod(0o400)
    folder.chmod(0o500)
    try:
        answer(str(copy), "report", "--out", str(tmp_path / "report.html"))
        assert [each.name for each in folder.iterdir()] == ["learning.db"]
    finally:
        folder.chmod(0o700)
