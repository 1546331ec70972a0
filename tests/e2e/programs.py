"""The programs that the end-to-end tests start: each a function, called in a process of its own."""

import asyncio
import atexit
import multiprocessing
import os
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor

from small_pools import ProcessPool, SyncPool, succeed

from learning_instrument import LearningDatabase, configure, record_execution


@record_execution
def execute_task(task):
    """A decorated function, for processes that have ``configure()``d."""
    return succeed(task)


class Configured:
    """A pool whose bound method goes to other processes."""

    @record_execution
    def execute_task(self, task):
        return succeed(task)


def in_threads(threads, work):
    """Call *work* with each number, in so many threads at once."""
    running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def execute_many(path, process, threads, executions):
    """Be one of the processes of ``at_once``."""
    configure(path)
    pool = SyncPool()

    def work(thread):
        for n in range(executions):
            pool.execute_task({"task_id": f"{process}-{thread}-{n}"})

    in_threads(threads, work)


def at_once(path, processes, threads, executions):
    """Record from many processes and threads into one file."""
    context = multiprocessing.get_context("fork")
    running = [
        context.Process(target=execute_many, args=(path, process, threads, executions)) for process in range(processes)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
        assert process.exitcode == 0


def multiprocessing_children(path, method, durability):
    """Send a bound method and a function to processes of their own."""
    context = multiprocessing.get_context(method)
    pool = ProcessPool(LearningDatabase(path, durability))
    pool.execute_task({"task_id": "parent"})
    running = [
        context.Process(target=pool.execute_task, args=({"task_id": "method"},)),
        context.Process(target=configured_child, args=(path, durability, execute_task, {"task_id": "function"})),
        context.Process(
            target=configured_child, args=(path, durability, Configured().execute_task, {"task_id": "configured"})
        ),
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
        assert process.exitcode == 0


def configured_child(path, durability, function, task):
    """Configure, and run one task."""
    configure(path, durability=durability)
    function(task)


def executor(path, method, durability):
    """Send a bound method and a function through an executor."""
    context = multiprocessing.get_context(method)
    pool = ProcessPool(LearningDatabase(path, durability))
    with ProcessPoolExecutor(2, context, initializer=configure, initargs=(path,)) as processes:
        methods = [processes.submit(pool.execute_task, {"task_id": f"method-{n}"}) for n in range(20)]
        functions = [processes.submit(execute_task, {"task_id": f"function-{n}"}) for n in range(20)]
        assert [future.result() for future in methods + functions] == [{"success": True}] * 40


def fork_under_load(path, threads, children, executions):
    """Fork while other threads are recording."""
    database = configure(path)
    pool, done = SyncPool(), threading.Event()
    counts = [0] * threads

    def work(thread):
        while not done.is_set():
            pool.execute_task({"task_type": "parent"})
            counts[thread] += 1
            time.sleep(0.001)

    def fork():
        for _ in range(children):
            pid = os.fork()
            if pid == 0:
                for _ in range(executions):
                    pool.execute_task({"task_type": "child"})
                os._exit(0 if database.flush() else 1)  # some may wait for the lock of the parent's threads
            assert os.waitpid(pid, 0)[1] == 0
        done.set()

    running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    fork()
    for thread in running:
        thread.join()
    print(sum(counts))


def exit_without_flush(path, count):
    """Queue rows, and come to an end."""
    pool = ProcessPool(LearningDatabase(path, "batch"))
    for n in range(count):
        pool.execute_task({"task_id": f"{n}"})


def exit_from_atexit(path):
    """Run a task when the interpreter is on its way out."""
    pool = ProcessPool(LearningDatabase(path, "batch"))
    pool.execute_task({"task_id": "first"})
    pool.learning_db.flush()
    pool.learning_db.close()
    atexit.register(pool.execute_task, {"task_id": "last"})


def fork_with_a_queue(path):
    """Fork while rows are queued: they are the parent's, and written once."""
    configure(path, durability="batch")
    for n in range(50):
        execute_task({"task_id": f"{n}"})
    context = multiprocessing.get_context("fork")
    child = context.Process(target=execute_task, args=({"task_id": "child"},))
    child.start()
    child.join()
    assert child.exitcode == 0


@record_execution
def run_until(task):
    """A task that runs until it is told to end."""
    task["until"]()
    return succeed(task)


@record_execution
async def run_until_set(task):
    """The same, as a coroutine."""
    await task["until"]()
    return succeed(task)


def run_until_told(path, durability, kind, count):
    """Run some tasks at once, until a line comes."""
    configure(path, durability=durability)
    if kind == "coroutine":
        asyncio.run(_run_coroutines(count))
        return
    told = threading.Event()
    tasks = [{"task_id": f"thread-{n}", "prompt": "wait", "until": told.wait} for n in range(count)]
    running = [threading.Thread(target=run_until, args=(task,)) for task in tasks]
    for thread in running:
        thread.start()
    sys.stdin.readline()
    told.set()
    for thread in running:
        thread.join()


async def _run_coroutines(count):
    told = asyncio.Event()
    tasks = [{"task_id": f"coroutine-{n}", "prompt": "wait", "until": told.wait} for n in range(count)]
    running = [asyncio.create_task(run_until_set(task)) for task in tasks]
    await asyncio.to_thread(sys.stdin.readline)
    told.set()
    await asyncio.gather(*running)


def leave_at_once_when_told(path):
    """Leave without a word while a task runs."""
    configure(path)

    def leave():
        sys.stdin.readline()
        os._exit(7)

    run_until({"task_id": "leaving", "until": leave})


def prefork(path, children):
    """Run a task of one's own beside children that run theirs, until a line comes."""
    configure(path)
    told, tell = os.pipe()

    def work(child):
        def until():
            os.close(tell)
            os.read(told, 1)  # ends when the parent closes its end

        run_until({"task_id": f"child-{child}", "until": until})

    def until():
        pids = []
        for child in range(children):
            pid = os.fork()
            if pid == 0:
                work(child)
                os._exit(0)
            pids.append(pid)
        sys.stdin.readline()
        os.close(tell)
        for pid in pids:
            os.waitpid(pid, 0)

    run_until({"task_id": "parent", "until": until})
