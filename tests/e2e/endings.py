"""The processes of ``ends``: each function here is one, which runs executions and comes to its end in its own way.

Importing this module configures, by the environment, so that spawned processes record as well.
"""

import functools
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from http.client import HTTPConnection

from ends import EXECUTIONS, PAUSE_SECONDS

from learning_instrument import configure, record_execution
from tests.locks import HOLD_THE_LOCK

database = configure()


@record_execution
def execute_task(task):
    return {"success": True}


def execute(task_id):
    """Run one execution; report that it returned, when, where, and how many rows this process had to defer."""
    execute_task({"task_id": task_id})
    line = f"{task_id} {os.getpid()} {time.monotonic()} {database.statistics().deferred}\n"
    report = os.open(os.environ["ENDS_REPORT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(report, line.encode())  # in one go: the process may be killed any moment
    os.close(report)


def pause_and_execute(task_id):
    time.sleep(PAUSE_SECONDS)
    execute(task_id)


def execute_some(name="task", executions=EXECUTIONS):
    for n in range(executions):
        pause_and_execute(f"{name}-{n}")


def reported():
    """Return how many executions have returned so far, in any process."""
    try:
        with open(os.environ["ENDS_REPORT"]) as report:
            return len(report.readlines())
    except FileNotFoundError:
        return 0


def wait_for_reports(count):
    while reported() < count:
        time.sleep(0.01)


def return_():
    execute_some()


def return_behind_a_lock(stop=False):
    """Another process holds the database's lock from the first execution until after the end."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, database.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    if stop:
        holder.send_signal(signal.SIGSTOP)
    execute_some()


def sys_exit():
    execute_some()
    sys.exit(3)


def raise_():
    execute_some()
    raise RuntimeError("the program failed")


def os_exit():
    execute_some()
    os._exit(4)


def exec_():
    execute_some()
    os.execv(sys.executable, [sys.executable, "-c", "raise SystemExit(5)"])


def go_on():
    """Run until a signal ends it."""
    execute_some(executions=sys.maxsize)


def go_on_and_handle_sigterm():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(6))
    go_on()


def fork(end):
    execute("parent")
    child = os.fork()
    if not child:
        execute_some("child")
        end(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    execute("parent-later")


def fork_and_os_exit():
    fork(os._exit)


def fork_and_sys_exit():
    fork(sys.exit)


def multiprocessing_child(method):
    execute("parent")
    child = multiprocessing.get_context(method).Process(target=execute_some, args=("child",))
    child.start()
    child.join()
    assert child.exitcode == 0


def execute_in_a_thread_that_stays():
    execute("child")
    threading.Thread(target=execute_some, args=("thread",)).start()


def multiprocessing_child_with_a_thread():
    """The child's function returns while its thread goes on; the child waits for it after its clean-up."""
    child = multiprocessing.get_context("fork").Process(target=execute_in_a_thread_that_stays)
    child.start()
    child.join()
    assert child.exitcode == 0


def pool_closed():
    pool = multiprocessing.get_context("fork").Pool(2)
    pool.map(pause_and_execute, [f"task-{n}" for n in range(EXECUTIONS)], chunksize=1)
    pool.close()
    pool.join()


def pool_terminated():
    """In the middle of its work."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map_async(pause_and_execute, [f"task-{n}" for n in range(1000 * EXECUTIONS)], chunksize=1)
        wait_for_reports(2 * EXECUTIONS)
    pool.join()


def process_pool_executor():
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as executor:
        list(executor.map(pause_and_execute, [f"task-{n}" for n in range(EXECUTIONS)]))


def celery_worker(folder, tasks=4):
    """Each task is run by a child of its own."""
    from celery import Celery
    from celery.signals import worker_ready

    app = Celery("endings", broker="filesystem://")
    app.conf.update(
        broker_transport_options={"data_folder_in": folder, "data_folder_out": folder, "polling_interval": 0.05},
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=False,
    )
    task = app.task(name="execute")(execute)
    stop = functools.partial(os.kill, os.getpid(), signal.SIGTERM)

    @worker_ready.connect(weak=False)
    def send(**_):
        for n in range(tasks):
            task.delay(f"task-{n}")
        threading.Thread(target=lambda: (wait_for_reports(tasks), stop())).start()

    options = ["--pool=prefork", "--concurrency=2", "--max-tasks-per-child=1"]
    try:
        app.worker_main(["worker", *options, "--without-gossip", "--without-mingle", "--without-heartbeat"])
    finally:
        # Billiard's finalizer of a pool whose children are replaced waits forever for a lock, about once in a thousand
        # ends of a worker, with this package or without.
        os._exit(0)


def wsgi(environ, start_response):
    """The application that gunicorn and uWSGI serve: one execution for each request."""
    execute(environ["PATH_INFO"].strip("/"))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


def request_executions(where):
    """Request one execution after the other from the server at *where*; return the pid of the last one's worker."""
    worker = 0
    for n in range(EXECUTIONS):
        time.sleep(PAUSE_SECONDS)
        connection = HTTPConnection(*where, timeout=30)
        connection.request("GET", f"/task-{n}")
        worker = int(connection.getresponse().read())
        connection.close()
    return worker


def gunicorn_worker(end):
    """Serve requests, and call *end* with the pids of the server and of the last request's worker."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        where = listening.getsockname()
        options = ["--workers=2", f"--bind=fd://{listening.fileno()}", "--log-level=warning"]
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, "endings:wsgi"], pass_fds=[listening.fileno()]
        )
        end(request_executions(where))
        server.terminate()
        assert server.wait() == 0


def gunicorn_terminated():
    gunicorn_worker(lambda worker: None)


def gunicorn_killed():
    gunicorn_worker(lambda worker: os.kill(worker, signal.SIGKILL))


def uwsgi_terminated():
    """Its master forks the workers from C, without Python's hooks, after it has imported this module."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        where = listening.getsockname()
        options = ["--master", "--processes=2", "--die-on-term", f"--home={sys.prefix}", "--disable-logging"]
        program = os.path.join(os.path.dirname(sys.executable), "uwsgi")
        server = subprocess.Popen(
            [program, *options, f"--http-socket=fd://{listening.fileno()}", "--module=endings:wsgi"],
            pass_fds=[listening.fileno()],
        )
        request_executions(where)
        server.terminate()
        assert server.wait() == 0
