"""How a task gets into dask: delayed, for its local schedulers; and submitted, mapped or delayed to a cluster."""

import operator
import os
import pickle
import subprocess
import sys
from typing import Any, Final

import dask
import dask.bag
from dask.callbacks import Callback
from distributed import Client, LocalCluster

from learning_instrument import LearningDatabase, PoolInstrumentor
from learning_instrument.instrumentation.adapters.dask import DaskCall

from ..pool import Pool, Run


def _all_delayed(scheduler: str) -> Any:
    def run_all(function: Any, tasks: Any) -> None:
        dask.compute(*(dask.delayed(function, pure=False)(task) for task in tasks), scheduler=scheduler, num_workers=2)

    return run_all


def _delayed(scheduler: str) -> Run:
    def run(function: Any, task: Any) -> Any:
        return dask.delayed(function, pure=False)(task).compute(scheduler=scheduler, num_workers=2)

    return run


class _Cluster:
    """A cluster for all tasks of a case: its processes record what is decorated where they first did."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._client: Client | None = None
        self._database: str | None = None

    @property
    def client(self) -> Client:
        database = os.environ.get("LEARNING_INSTRUMENT_DATABASE")
        if self._client is not None and database not in (None, self._database):
            self._client.close()
            self._client.cluster.close()
            self._client = None
        if self._client is None:
            self._database = database
            self._client = Client(LocalCluster(dashboard_address=None, **self._options))
        return self._client

    def mapped_all(self, function: Any, tasks: Any) -> None:
        self.client.gather(self.client.map(function, tasks, pure=False))

    def submitted_all(self, function: Any, tasks: Any) -> None:
        self.client.gather([self.client.submit(function, task, pure=False) for task in tasks])

    def delayed_all(self, function: Any, tasks: Any) -> None:
        self.client.gather(self.client.compute([dask.delayed(function, pure=False)(task) for task in tasks]))

    def submitted(self, function: Any, task: Any) -> Any:
        return self.client.submit(function, task, pure=False).result()

    def retried(self, function: Any, task: Any) -> Any:
        return self.client.submit(function, task, pure=False, retries=1).result()

    def mapped(self, function: Any, task: Any) -> Any:
        return self.client.gather(self.client.map(function, [task], pure=False))[0]

    def mapped_retried(self, function: Any, task: Any) -> Any:
        return self.client.gather(self.client.map(function, [task], pure=False, retries=1))[0]

    def delayed(self, function: Any, task: Any) -> Any:
        return self.client.compute(dask.delayed(function, pure=False)(task)).result()


_PROCESSES: Final = _Cluster(processes=True, n_workers=1, threads_per_worker=1)
_THREADS: Final = _Cluster(processes=False, n_workers=2, threads_per_worker=1)
POOLS: Final = (
    Pool("dask, threads", "dask", _delayed("threads"), run_all=_all_delayed("threads")),
    Pool("dask, processes", "dask", _delayed("processes"), run_all=_all_delayed("processes")),
    Pool("dask, synchronous", "dask", _delayed("synchronous"), run_all=_all_delayed("synchronous")),
    Pool("distributed, submit", "dask", _THREADS.submitted, retried=_THREADS.retried, run_all=_THREADS.submitted_all),
    Pool(
        "distributed, submit, async",
        "dask",
        _THREADS.submitted,
        retried=_THREADS.retried,
        is_async=True,
        run_all=_THREADS.submitted_all,
    ),
    Pool(
        "distributed, map",
        "dask",
        _THREADS.mapped,
        retried=_THREADS.mapped_retried,
        run_all=_THREADS.mapped_all,
    ),
    Pool("distributed, delayed", "dask", _THREADS.delayed, run_all=_THREADS.delayed_all),
    Pool(
        "distributed, processes",
        "dask",
        _PROCESSES.submitted,
        retried=_PROCESSES.retried,
        run_all=_PROCESSES.submitted_all,
    ),
)


def _rows(database: LearningDatabase, run: Any) -> list[str]:
    """Return the task types of what *run* records."""
    PoolInstrumentor().instrument(targets=["dask"], database=database)
    try:
        run()
    finally:
        PoolInstrumentor().uninstrument()
    database.flush()
    return [row["task_type"] for row in database.query("SELECT task_type FROM executions ORDER BY task_type")]


def double(number: int) -> int:
    """Return twice *number*."""
    return 2 * number


def each_function_of_a_fused_chain_is_recorded(database: LearningDatabase) -> None:
    """The scheduler of processes makes one task of a chain."""

    def run() -> None:
        chained = dask.delayed(double)(dask.delayed(double)(dask.delayed(double)(1)))
        assert chained.compute(scheduler="processes", num_workers=1) == 8

    assert _rows(database, run) == ["double"] * 3


def operators_and_chunks_are_no_tasks(database: LearningDatabase) -> None:
    """Of delayed objects, and of collections."""

    def run() -> None:
        assert (dask.delayed(double)(1) + 1).compute(scheduler="threads") == 3
        assert dask.bag.from_sequence([1, 2], npartitions=2).map(double).compute(scheduler="threads") == [2, 4]
        client = _THREADS.client
        assert client.compute(dask.bag.from_sequence([1, 2], npartitions=2).map(double)).result() == [2, 4]
        assert client.submit(operator.add, 1, 2).result() == 3

    assert _rows(database, run) == ["double"]


def nested_graphs_are_recorded_within_their_task(database: LearningDatabase) -> None:
    """A task that computes a graph is the parent of its tasks."""

    def outer(number: int) -> int:
        return int(dask.delayed(double)(number).compute(scheduler="synchronous"))

    assert _rows(database, lambda: dask.delayed(outer)(1).compute(scheduler="threads")) == ["double", "outer"]
    (inner,) = database.query("SELECT parent_execution_id FROM executions WHERE task_type = 'double'")
    (parent,) = database.query("SELECT execution_id FROM executions WHERE task_type = 'outer'")
    assert inner["parent_execution_id"] == parent["execution_id"]


def diagnostics_see_the_tasks_of_the_graph(database: LearningDatabase) -> None:
    """Callbacks get the graph as it was given."""
    seen: list[Any] = []

    def run() -> None:
        with Callback(posttask=lambda key, result, dsk, state, worker: seen.append(dsk[key].func)):
            dask.delayed(double)(1).compute(scheduler="processes", num_workers=1)
            dask.delayed(double)(2).compute(scheduler="threads")

    assert _rows(database, run) == ["double"] * 2
    assert seen == [double, double]


def machine_without_this_package_runs_the_function_alone(database: LearningDatabase) -> None:
    """Its scheduler and its workers can load what is sent."""
    sent = pickle.dumps(DaskCall(len, {"settings": b"", "sent": None, "defaults": {}}))
    program = "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read())([1, 2]))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], input=sent, capture_output=True, check=True)
    assert done.stdout.strip() == b"2", done.stderr


EXTRAS: Final = (
    each_function_of_a_fused_chain_is_recorded,
    operators_and_chunks_are_no_tasks,
    nested_graphs_are_recorded_within_their_task,
    diagnostics_see_the_tasks_of_the_graph,
    machine_without_this_package_runs_the_function_alone,
)
