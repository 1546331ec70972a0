"""Commands answer from a fleet what they answer from a file."""

import contextlib
import json
import re
import subprocess
import sys
import threading
import urllib.request

import pytest
from click.testing import CliRunner

from learning_instrument.cli import main
from learning_instrument.cli.main import COMMANDS
from learning_instrument.dashboard.serving.access import Access
from learning_instrument.dashboard.serving.live import LivePages
from learning_instrument.dashboard.serving.server import DocumentServer

from .same_executions import executions, fill


@pytest.fixture
def both(database, client, fleet):
    """The path of a file, and the address of a fleet with the same executions."""
    fill(database, client, executions(300))
    return database.path, fleet.path


def answer(where, *arguments):
    """What a command prints."""
    result = CliRunner().invoke(main, ["--database", where, *arguments])
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result.stdout


@pytest.mark.parametrize(
    "command",
    [
        "summary",
        "performance --by repo --by model_tier",
        "costs",
        "list --limit 5",
        "errors",
        "compare --before model_tier=small --after model_tier=large",
    ],
)
def test_answer_is_that_of_the_file(both, command):
    """As text and as JSON."""
    file, address = both

    for form in ([], ["--json"]):
        assert answer(address, *command.split(), *form) == answer(file, *command.split(), *form)


def test_one_execution_is_shown(both):
    """By the beginning of its id."""
    file, address = both
    (execution,) = json.loads(answer(file, "list", "--limit", "1", "--json"))

    assert answer(address, "show", execution["execution_id"][:30]) == answer(file, "show", execution["execution_id"])


def test_report_is_the_page_of_the_file(both):
    """But for its name and size."""
    file, address = both
    pages = [answer(where, "report", "--until", "2026-11-03", "--out", "-") for where in (file, address)]

    bodies = [re.sub(r"[\d.,]+ [kM]?B|chdb://[^\s<:]*|[\w.-]*\.db", "", page) for page in pages]
    assert bodies[0] == bodies[1]


def test_live_page_is_served(both):
    """Without metrics: a fleet's collectors count."""
    with DocumentServer("127.0.0.1", 0, LivePages(both[1]).routes(), Access(None), LivePages(both[1]).error) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with contextlib.closing(urllib.request.urlopen(f"{server.url}/?since=2026-11-01")) as page:
                assert "300 executions" in page.read().decode()
        finally:
            server.shutdown()
            thread.join()


def test_feedback_is_stored(both):
    """On the execution that the id means."""
    _, address = both
    (execution,) = json.loads(answer(address, "list", "--limit", "1", "--json"))

    CliRunner().invoke(main, ["--database", address, "feedback", execution["execution_id"], "--rating", "4"])

    (execution,) = json.loads(answer(address, "list", "--limit", "1", "--json"))
    assert execution["user_rating"] == 4


@pytest.mark.parametrize(
    "command", ["doctor", "watch", "prune --older-than 3d", "rebuild", "backup x.db", "export", "delete --all", "index"]
)
def test_command_for_files_refuses_a_fleet(both, command):
    """In one line that names the remedy."""
    result = CliRunner().invoke(main, ["--database", both[1], *command.split()])

    assert (result.exit_code, result.stdout) == (2, "")
    assert "pull" in result.stderr
    assert result.stderr.count("\n") == 1


PLAIN = """
import sys
for name in ("sqlglot", "clickhouse_connect", "chdb", "pyarrow"):
    sys.modules[name] = None
from click.testing import CliRunner
from learning_instrument.cli import main
from learning_instrument.cli.main import COMMANDS
groups = [[], *([name] for name in COMMANDS), *(["fleet", name] for name in ("init", "refresh", "status", "drop"))]
asked = {" ".join(words): CliRunner().invoke(main, [*words, "--help"]).exit_code for words in groups}
print(sorted(words for words, code in asked.items() if code), len(asked))
"""


def test_plain_install_tells_of_every_command():
    """None needs an extra for its help."""
    printed = subprocess.check_output([sys.executable, "-c", PLAIN], text=True)

    assert printed == f"[] {len(COMMANDS) + 5}\n"


def test_missing_extra_is_one_line(monkeypatch):
    """Which names it."""
    for name in ("learning_instrument.fleet.database", "learning_instrument.fleet.dialect"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "sqlglot", None)

    result = CliRunner().invoke(main, ["--database", "clickhouse://localhost/x", "summary"])

    assert (result.exit_code, result.stdout) == (2, "")
    assert "learning-instrument[scale]" in result.stderr
    assert result.stderr.count("\n") == 1
