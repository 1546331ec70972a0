"""Forks by others: uWSGI's from C, those within gevent's hub, and many at once. Every row is kept."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from waiting import wait_until

from learning_instrument import LearningDatabase

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")]

APPLICATION = """
import os
import learning_instrument

learning_instrument.configure(os.environ["DATABASE"], durability=os.environ["DURABILITY"])

@learning_instrument.record_execution
def work(task):
    return "done"

if os.environ["IN_MASTER"]:
    work({"task_id": "in the master"})

def application(environ, start_response):
    work({"task_id": environ["PATH_INFO"]})
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]

open(f"loaded-{os.getpid()}", "w").close()
"""
HUB = """
import gevent.monkey
gevent.monkey.patch_all()
import os, sys
import gevent
import learning_instrument

learning_instrument.configure(sys.argv[1], durability=sys.argv[2])

@learning_instrument.record_execution
def work(task):
    return "done"

def fork():
    process_id = os.fork()
    if process_id == 0:
        os._exit(0)
    gevent.monkey.get_original("os", "waitpid")(process_id, 0)

work("before")
gevent.get_hub().loop.run_callback(fork)
gevent.sleep(0.2)
work("after")
learning_instrument.shutdown()
"""
STORM = """
import os, sys
import learning_instrument

learning_instrument.configure(sys.argv[1], durability=sys.argv[2])

@learning_instrument.record_execution
def work(task):
    return "done"

children = []
for number in range(int(sys.argv[3])):
    work(f"parent {number}")
    process_id = os.fork()
    if process_id == 0:
        work(f"child {number}")
        grandchild = os.fork()
        if grandchild == 0:
            work(f"grandchild {number}")
        else:
            os.waitpid(grandchild, 0)
        learning_instrument.shutdown()
        os._exit(0)
    children.append(process_id)
for process_id in children:
    os.waitpid(process_id, 0)
learning_instrument.shutdown()
"""


def rows_of(path):
    with LearningDatabase(path) as database:
        return database.query("SELECT task_id, execution_id, trace_id, process_id FROM executions")


@pytest.mark.parametrize("durability", ["commit", "batch"])
@pytest.mark.parametrize("options", [[], ["--enable-threads"], ["--lazy-apps"]], ids=["default", "threads", "lazy"])
@pytest.mark.parametrize("in_master", ["", "yes"], ids=["", "master records"])
def test_workers_of_uwsgi_record(tmp_path, durability, options, in_master):
    """Each under its own process id and with ids of its own, and all end."""
    uwsgi = shutil.which("uwsgi", path=str(Path(sys.executable).parent))
    if uwsgi is None:
        pytest.skip("uWSGI is not installed")
    (tmp_path / "app.py").write_text(APPLICATION)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % probe.getsockname()[1]  # noqa: UP031
    variables = {"DATABASE": str(tmp_path / "l.db"), "DURABILITY": durability, "IN_MASTER": in_master}
    command = [uwsgi, "--http-socket", address, "--master", "--processes", "3", "--wsgi-file", "app.py"]
    with open(tmp_path / "log", "w") as log:
        master = subprocess.Popen(
            [*command, "--die-on-term", "--home", sys.prefix, *options],
            cwd=tmp_path,
            env={**os.environ, **variables},
            stdout=log,
            stderr=log,
        )

    def ask(number):
        for _ in range(100):
            try:
                return urllib.request.urlopen(f"http://{address}/{number}", timeout=20).read()
            except OSError:
                time.sleep(0.1)
        return None

    try:
        with ThreadPoolExecutor(6) as clients:
            answers = list(clients.map(ask, range(60)))
    finally:
        # uWSGI ends no worker that was told to while it loaded its application.
        wait_until(lambda: len(list(tmp_path.glob("loaded-*"))) == (3 if "--lazy-apps" in options else 1))
        time.sleep(0.5)
        master.send_signal(signal.SIGTERM)
        try:
            master.wait(60)
        except subprocess.TimeoutExpired:
            master.kill()
            raise
    rows = [row for row in rows_of(tmp_path / "l.db") if row["task_id"] != "in the master"]
    assert None not in answers
    assert len({row["execution_id"] for row in rows}) == len({row["trace_id"] for row in rows}) == len(rows) == 60
    assert {row["process_id"] for row in rows} == {int(answer) for answer in answers}


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_fork_in_the_hub_of_gevent_is_quiet(tmp_path, durability):
    """The hub can wait for nothing. OpenTelemetry's own hook may complain in the child."""
    pytest.importorskip("gevent")
    command = [sys.executable, "-c", HUB, tmp_path / "l.db", durability]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert "learning_instrument" not in done.stderr
    assert len(rows_of(tmp_path / "l.db")) == 2


@pytest.mark.parametrize("durability", ["commit", "batch"])
@pytest.mark.timeout(600)
def test_storm_of_forks_ends_with_every_row(tmp_path, durability):
    """300 forks, each of which forks once more."""
    subprocess.run([sys.executable, "-c", STORM, tmp_path / "l.db", durability, "300"], timeout=500, check=True)

    assert len(rows_of(tmp_path / "l.db")) == 900
