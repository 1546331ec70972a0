"""``serve``: a real process, asked over its socket."""

import contextlib
import signal
import subprocess
import urllib.request

import pytest
from asking import COMMAND, ask, record, store
from fresh import variables


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "learning.db")
    store(path, record(pool_type="agents"), record())
    return path


@contextlib.contextmanager
def serving(path):
    """Serve in another process; yield it, and its address."""
    line = [COMMAND, "serve", "--database", path, "--port", "0"]
    with subprocess.Popen(line, env=variables(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline()
            assert said.startswith(f"Serving the metrics of {path} at http://127.0.0.1:"), process.stderr.read()
            yield process, said.split(" at ")[1].partition(";")[0]
        finally:
            process.kill()


def test_metrics_are_served(path):
    """What others store while it runs included; a file that is gone is an error of that request alone."""
    with serving(path) as (_, url):
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert (
                'learning_instrument_executions_total{learning_instrument_pool_type="agents",' in answer.read().decode()
            )

        store(path, record(task_type="later"))
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert 'learning_instrument_task_type="later"' in answer.read().decode()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_signal_ends_it_without_a_word(path, number, status):
    with serving(path) as (process, url):
        urllib.request.urlopen(url, timeout=30).close()
        process.send_signal(number)

        assert process.wait(30) == status
        assert process.stderr.read().strip() == ""


def test_port_in_use_is_one_line(path):
    with serving(path) as (_, url):
        port = url.rpartition(":")[2].partition("/")[0]

        done = ask(path, "serve", "--port", port)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        f"Error: Cannot listen at http://127.0.0.1:{port}: Address already in use. Choose another with --host or"
        " --port.\n"
    )


def test_missing_database_is_one_line(tmp_path):
    """And no file is made."""
    done = ask(str(tmp_path / "none.db"), "serve", "--port", "0")

    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "There is no database" in done.stderr
    assert list(tmp_path.iterdir()) == []
