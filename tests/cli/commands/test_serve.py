"""``serve``: a real process, asked over its socket."""

import collections
import contextlib
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest
from asking import COMMAND, ask, document, record, store
from fresh import variables


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "learning.db")
    store(path, record(pool_type="agents"), record())
    return path


@contextlib.contextmanager
def serving(path, *options):
    """Serve in another process; yield it, and the address that it prints."""
    line = [COMMAND, "serve", "--database", path, "--port", "0", *options]
    with subprocess.Popen(line, env=variables(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline()
            assert said.startswith(f"Serving {path} at http://127.0.0.1:"), process.stderr.read()
            yield process, said.split(" at ")[1].partition(";")[0]
        finally:
            process.kill()


def read(url, token=None, opener=urllib.request):
    """Return the type and the text of what is at *url*."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, headers=headers)
    with (opener.urlopen if opener is urllib.request else opener.open)(request, timeout=30) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def test_metrics_are_served(path):
    """What others store while it runs included."""
    with serving(path, "--no-token") as (_, url):
        kind, metrics = read(f"{url}metrics")
        assert kind == "text/plain; version=0.0.4; charset=utf-8"
        assert 'learning_instrument_executions_total{learning_instrument_pool_type="agents",' in metrics

        store(path, record(task_type="later"))
        assert 'learning_instrument_task_type="later"' in read(f"{url}metrics")[1]


def test_address_that_is_printed_leads_to_the_page(path):
    """Its token goes into a cookie, and opens all else; without it there is nothing."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with serving(path) as (_, url):
        place, _, token = url.partition("/?token=")

        assert "<h1>learning.db</h1>" in read(url, opener=browser)[1]
        assert "<h1>Executions</h1>" in read(f"{place}/executions", opener=browser)[1]
        assert "learning_instrument_executions_total" in read(f"{place}/metrics", token)[1]
        for page in ("", "/executions", "/metrics", "/?token=x"):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                read(f"{place}{page}")
    with serving(path) as (_, another):
        assert another.partition("/?token=")[2] != token


def test_token_in_a_file_stays_and_is_not_printed(path, tmp_path):
    """What is printed may be kept in a log."""
    file = tmp_path / "token"
    for _ in range(2):
        with serving(path, "--token-file", str(file)) as (_, url):
            place, _, rest = url.partition("/?token=")
            assert rest == f"..., with the token in {file}"
            assert "learning_instrument_executions_total" in read(f"{place}/metrics", file.read_text().strip())[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--no-token", "--host", "0.0.0.0"], "--no-token would let others than this machine read at 0.0.0.0"),
        (["--no-token", "--token-file", "x"], "--no-token and --token-file exclude each other; leave one out."),
        (["--token-file", "/none/token"], "Cannot write /none/token: No such file or directory."),
    ],
)
def test_options_that_do_not_fit_are_one_line(path, options, message):
    done = ask(path, "serve", "--port", "0", *options)

    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"Error: {message}")


POOL = """
import sys, time
from learning_instrument import configure, record_execution

configure(sys.argv[1])

@record_execution(pool_type="agents")
def execute_task(task):
    return {"success": task["number"] % 5 > 0, "cost": 0.01}

end, number = time.monotonic() + float(sys.argv[2]), 0
while time.monotonic() < end:
    execute_task({"task_type": "served", "number": number, "description": f"fix parser {number}"})
    number += 1
    time.sleep(0.002)
print(number)
"""


@pytest.mark.slow
def test_hundred_readers_at_once_lose_no_answer_and_no_row(path):
    """Of every page and of the metrics, while a pool records in another process."""
    pages = (
        "",
        "?days=30",
        "?pool_type=agents",
        "executions",
        "executions?outcome=failed",
        "executions?q=x",
        "metrics",
    )
    answers, faults = collections.Counter(), []

    def ask_again_and_again(url, page, end):
        while time.monotonic() < end:
            try:
                answers[page] += "executions" in read(url + page)[1]
            except OSError as error:
                faults.append((page, error))

    with serving(path, "--no-token") as (process, url):
        pool = subprocess.Popen([sys.executable, "-c", POOL, path, "10"], stdout=subprocess.PIPE, text=True)
        end = time.monotonic() + 8
        threads = [
            threading.Thread(target=ask_again_and_again, args=(url, pages[number % len(pages)], end))
            for number in range(100)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stored = int(pool.communicate(timeout=60)[0])
        assert process.poll() is None

    assert faults == []
    assert {*answers} == {*pages}
    assert min(answers.values()) > 0
    assert document(path, "summary", "--task-type", "served")["executions"] == stored > 100
    assert document(path, "summary")["losses"] == {}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_signal_ends_it_without_a_word(path, number, status):
    with serving(path, "--no-token") as (process, url):
        read(url)
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
