"""Executions as metrics: each is counted once, and no task waits for it."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from opentelemetry import trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from small_pools import AsyncPool, SyncPool

from learning_instrument import (
    LearningDatabase,
    PoolInstrumentor,
    configure,
    current_execution,
    observe_pool,
    record_execution,
)
from learning_instrument.errors import ConfigurationError
from learning_instrument.pipeline import metrics as metrics_module
from learning_instrument.pipeline.metrics import DURATION_BUCKETS, MOST_VALUES, OTHER, metrics_of
from learning_instrument.safety import deferral

DURATION = "learning_instrument.execution.duration"
EXECUTIONS = "learning_instrument.executions"
ACTIVE = "learning_instrument.active_executions"
QUEUE = "learning_instrument.execution.queue.duration"
COST = "learning_instrument.execution.cost"
TOKENS = "learning_instrument.execution.token.usage"
BUSY = "learning_instrument.pool.worker.active"
WORKERS = "learning_instrument.pool.worker.count"
QUEUED = "learning_instrument.pool.task.queued"

POOL, TIER, TYPE, OUTCOME = (
    f"learning_instrument.{name}" for name in ("pool.type", "model.tier", "task.type", "task.outcome")
)


class Host:
    """A meter provider whose metrics are read in memory."""

    def __init__(self):
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False)

    def metrics(self):
        """Collect; return metric name -> metric, of our scope."""
        data = self.reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        (ours,) = [scope for scope in scopes if scope.scope.name == "learning_instrument"] or [None]
        return {} if ours is None else {metric.name: metric for metric in ours.metrics}

    def points(self, name):
        """Collect; return the data points of one metric."""
        metric = self.metrics().get(name)
        return [] if metric is None else list(metric.data.data_points)

    def values(self, name, *keys):
        """Collect; return the values of one metric by those attributes."""
        found = {}
        for point in self.points(name):
            key = tuple(point.attributes.get(key) for key in keys)
            found[key] = found.get(key, 0) + (point.count if hasattr(point, "count") else point.value)
        return found


@pytest.fixture
def host():
    host = Host()
    yield host
    host.provider.shutdown()


@pytest.fixture
def measured(host, database, provider):
    """Executions go to the database, the host's spans and the host's metrics."""
    return configure(database, tracer_provider=provider, meter_provider=host.provider)


def eventually(condition):
    """Wait until *condition* holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_duration_is_a_histogram_in_seconds(measured, host):
    """From 10 ms to 2 h, by pool, tier, type and outcome."""
    SyncPool().execute_task({"task_type": "review", "model_tier": "small"})

    metric = host.metrics()[DURATION]
    (point,) = metric.data.data_points
    assert metric.unit == "s"
    assert point.explicit_bounds == DURATION_BUCKETS
    assert (DURATION_BUCKETS[0], DURATION_BUCKETS[-1]) == (0.01, 7200.0)
    assert point.count == 1
    assert 0 < point.sum < 60
    assert point.attributes == {POOL: "SyncPool", TIER: "small", TYPE: "review", OUTCOME: "succeeded"}


def test_executions_are_counted_by_outcome(measured, host):
    """With OpenTelemetry's ``error.type``."""
    SyncPool().execute_task({})
    SyncPool(lambda task: {"success": False, "error": "validation of it"}).execute_task({})
    for error in (TimeoutError, KeyError):
        with pytest.raises(error):
            SyncPool(lambda task, error=error: (_ for _ in ()).throw(error())).execute_task({})

    assert host.values(EXECUTIONS, OUTCOME, "error.type") == {
        ("succeeded", None): 1,
        ("failed", "validation"): 1,
        ("timeout", "TimeoutError"): 1,
        ("error", "KeyError"): 1,
    }


def test_counts_agree_with_the_rows(measured, host, rows):
    """Each execution is counted once, however long the queue is."""
    pool = SyncPool(lambda task: {"success": task["number"] % 3 > 0})
    for number in range(2500):
        pool.execute_task({"number": number, "task_type": f"type-{number % 2}"})

    by_row = {}
    for row in rows():
        key = (row["task_type"], row["outcome"])
        by_row[key] = by_row.get(key, 0) + 1
    assert host.values(EXECUTIONS, TYPE, OUTCOME) == by_row
    assert host.values(DURATION, TYPE, OUTCOME) == by_row


def test_long_queue_is_recorded_before_a_collection(measured, host):
    """A thread records it, so a host that rarely collects keeps memory bounded."""
    pool = SyncPool()
    for _ in range(metrics_module._MANY):
        pool.execute_task({})

    eventually(lambda: not metrics_of(host.provider)._pending)
    assert host.values(EXECUTIONS, OUTCOME) == {("succeeded",): metrics_module._MANY}


def test_known_costs_are_added_up(measured, host):
    """An unreported cost is not counted as 0, and a free execution is."""
    SyncPool().execute_task({"task_type": "unpriced"})
    for cost in (0.25, 0.5):
        SyncPool(lambda task, cost=cost: {"success": True, "cost": cost}).execute_task({"task_type": "priced"})
    SyncPool(lambda task: {"success": True, "cost": 0}).execute_task({"task_type": "free"})

    assert host.metrics()[COST].unit == "{USD}"
    assert host.values(COST, TYPE) == {("priced",): 0.75, ("free",): 0}


def test_tokens_are_counted_by_type(measured, host):
    """With the attribute of the conventions for generative AI."""

    def run(task):
        current_execution().set(input_tokens=task["in"], output_tokens=task["out"])

    for number in (100, 1000):
        SyncPool(run).execute_task({"in": number, "out": 5})
    SyncPool().execute_task({})

    assert host.metrics()[TOKENS].unit == "{token}"
    assert host.values(TOKENS, "gen_ai.token.type") == {("input",): 1100, ("output",): 10}


def test_queue_time_is_a_histogram(measured, host):
    """Where it is known."""
    SyncPool(lambda task: current_execution().set(queue_seconds=42.0)).execute_task({})
    SyncPool().execute_task({})

    metric = host.metrics()[QUEUE]
    (point,) = metric.data.data_points
    assert (metric.unit, point.count, point.sum) == ("s", 1, 42.0)


def test_defaulted_duration_is_not_recorded(measured, host):
    """The results of a batch may not report how long each task took."""

    @record_execution(batch=True)
    def execute_batch(tasks):
        return [{"success": True, "duration": 3.0}, {"success": True}]

    execute_batch([{}, {}])

    (point,) = host.points(DURATION)
    assert (point.count, point.sum) == (1, 3.0)
    assert host.values(EXECUTIONS, OUTCOME) == {("succeeded",): 2}


def test_running_executions_are_counted(measured, host):
    """While they run; the number is 0 once they have ended."""
    go, started = threading.Event(), threading.Semaphore(0)

    def run(task):
        started.release()
        assert go.wait(60)

    with ThreadPoolExecutor(3) as threads:
        futures = [threads.submit(SyncPool(run).execute_task, {}) for _ in range(3)]
        for _ in futures:
            assert started.acquire(timeout=60)
        during = host.values(ACTIVE, POOL)
        go.set()

    assert during == {("SyncPool",): 3}
    assert host.values(ACTIVE, POOL) == {("SyncPool",): 0}


async def test_running_coroutines_are_counted(measured, host):
    """On one event loop."""
    seen = []
    pool = AsyncPool(lambda task: seen.append(host.values(ACTIVE, POOL)))

    await asyncio.gather(*[pool.execute_task({}) for _ in range(4)])

    assert seen[0] == {("AsyncPool",): 4}


def test_exemplars_lead_to_the_trace(measured, host, exporter):
    """The exemplar of a sampled execution has its span."""
    SyncPool(lambda task: {"success": True, "cost": 0.5}).execute_task({})

    (span,) = exporter.get_finished_spans()
    metrics = host.metrics()
    for name in (DURATION, EXECUTIONS, COST):
        (point,) = metrics[name].data.data_points
        (exemplar,) = point.exemplars
        assert (exemplar.trace_id, exemplar.span_id) == (span.context.trace_id, span.context.span_id)


def test_exemplars_are_of_no_other_span(host, database):
    """An unsampled execution has none, even if the collecting thread is within a trace."""
    unsampled = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    configure(database, tracer_provider=unsampled, meter_provider=host.provider)
    SyncPool().execute_task({})

    with TracerProvider(shutdown_on_exit=False).get_tracer("host").start_as_current_span("collecting"):
        (point,) = host.points(DURATION)

    assert point.count == 1
    assert list(point.exemplars) == []


def test_number_of_task_types_is_bounded(measured, host):
    """A type made of an id must not make a time series for each task."""
    pool = SyncPool()
    for number in range(MOST_VALUES + 50):
        pool.execute_task({"task_type": f"task-{number}"})

    values = host.values(EXECUTIONS, TYPE)
    assert len(values) == MOST_VALUES + 1
    assert values[(OTHER,)] == 50


def test_metrics_without_a_database(host):
    """Executions are published even if nothing is configured."""
    during = []

    @record_execution(meter_provider=host.provider, pool_type="bare")
    def execute_task(task):
        during.append(host.values(ACTIVE, POOL))

    execute_task({"task_type": "review"})

    assert during == [{("bare",): 1}]
    assert host.values(EXECUTIONS, POOL, TYPE) == {("bare", "review"): 1}
    assert host.values(ACTIVE, POOL) == {("bare",): 0}


def test_explicit_database_publishes_to_the_decorators_provider(host, database):
    """Its metrics go to the decorator's ``meter_provider``."""

    @record_execution(learning_db=database, meter_provider=host.provider)
    def execute_task(task):
        return task

    execute_task({})

    assert host.values(EXECUTIONS, OUTCOME) == {("succeeded",): 1}


def test_instrumentor_takes_a_meter_provider(host, database):
    """As OpenTelemetry's instrumentors do."""

    class Pool:
        def execute_task(self, task):
            return task

    instrumentor = PoolInstrumentor()
    instrumentor.instrument(targets=[Pool], database=database, meter_provider=host.provider)
    try:
        Pool().execute_task({})
    finally:
        instrumentor.uninstrument()

    assert host.values(EXECUTIONS, POOL) == {("Pool",): 1}


def test_decorators_provider_takes_precedence(measured, host):
    """Each execution is counted in one provider only."""
    other = Host()

    @record_execution(meter_provider=other.provider)
    def execute_task(task):
        return task

    execute_task({})
    SyncPool().execute_task({})

    assert host.values(EXECUTIONS, POOL) == {("SyncPool",): 1}
    assert other.values(EXECUTIONS, OUTCOME) == {("succeeded",): 1}
    other.provider.shutdown()


def test_configuring_again_publishes_once(host, tmp_path):
    """A provider keeps its instruments across several databases."""
    import learning_instrument

    for number in range(3):
        with LearningDatabase(tmp_path / f"{number}.db") as database:
            configure(database, meter_provider=host.provider)
            SyncPool().execute_task({})
            learning_instrument.shutdown()

    assert host.values(EXECUTIONS, OUTCOME) == {("succeeded",): 3}
    assert host.values(ACTIVE, POOL) == {("SyncPool",): 0}


def test_noop_provider_queues_nothing(database):
    """No execution is kept for it."""
    configure(database, meter_provider=NoOpMeterProvider())

    SyncPool().execute_task({})

    assert metrics_of(NoOpMeterProvider()) is None
    assert metrics_module.metrics_of() is None


def test_without_a_provider_nothing_is_queued(configured):
    """There is no global provider."""
    SyncPool().execute_task({})

    assert not metrics_of()._pending


def test_global_provider_is_used_once_it_is_set(tmp_path):
    """It may be set up later; executions that ended before are not counted."""
    program = """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from learning_instrument import configure, record_execution, shutdown
@record_execution
def execute_task(task): return task
configure("learning.db")
execute_task({})
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
for _ in range(5): execute_task({})
scopes = reader.get_metrics_data().resource_metrics[0].scope_metrics
(scope,) = [scope for scope in scopes if scope.scope.name == "learning_instrument"]
values = {metric.name: metric.data.data_points[0] for metric in scope.metrics}
print(*[values[f"learning_instrument.{name}"].value for name in ("executions", "active_executions")])
shutdown()
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=100)

    assert done.stdout == "5 0\n"
    assert done.stderr == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_child_counts_its_own(measured, host):
    """The parent's queue stays with the parent."""
    SyncPool().execute_task({})
    metrics = metrics_of(host.provider)

    child = os.fork()
    if child == 0:
        try:
            is_empty = not metrics._pending
            SyncPool().execute_task({})
            os._exit(0 if is_empty and len(metrics._pending) == 1 else 1)
        finally:
            os._exit(2)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert host.values(EXECUTIONS, OUTCOME) == {("succeeded",): 1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork_waits_for_a_recording_in_progress(measured, host, monkeypatch):
    """A lock of the SDK that another thread holds would stay locked in the child."""
    monkeypatch.setattr("learning_instrument.safety.forks._FORK_SECONDS", 60.0)
    recording, happened = threading.Event(), []
    duration = metrics_of(host.provider)._duration

    class Slow:
        def record(self, *args):
            recording.set()
            time.sleep(0.2)  # long enough for a fork that does not wait
            duration.record(*args)
            happened.append("recorded")

    monkeypatch.setattr(metrics_of(host.provider), "_duration", Slow())
    SyncPool().execute_task({})
    thread = threading.Thread(target=host.metrics)
    thread.start()
    assert recording.wait(60)

    child = os.fork()
    if child == 0:
        os._exit(0)
    happened.append("forked")

    os.waitpid(child, 0)
    thread.join()
    assert happened == ["recorded", "forked"]


def test_abandoned_execution_is_forgotten(host):
    """A coroutine that is never awaited to its end does not count as running."""

    @record_execution(meter_provider=host.provider)
    async def execute_task(task):
        await asyncio.sleep(0)

    coroutine = execute_task({})
    coroutine.send(None)
    coroutine.close()
    del coroutine
    gc.collect()

    assert sum(host.values(ACTIVE, POOL).values()) == 0
    assert metrics_of(host.provider).own_running.by_id == {}


# Model calls are added up late, off the task's thread.


def call_model(provider, cost, input_tokens=100):
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m-1",
        "gen_ai.usage.input_tokens": input_tokens,
        "gen_ai.usage.output_tokens": 10,
        **({} if cost is None else {"gen_ai.cost.total_cost": cost}),
    }
    provider.get_tracer("client").start_span("chat m-1", attributes=attributes).end()


def test_sums_of_model_calls_are_counted(measured, host, provider, rows):
    """Once, whenever they are known."""

    def run(task):
        call_model(provider, 0.125)
        call_model(provider, 0.5)

    for _ in range(3):
        SyncPool(run).execute_task({})
    measured.flush(60)

    assert [row["actual_cost"] for row in rows()] == [0.625] * 3
    assert host.values(COST, POOL) == {("SyncPool",): 3 * 0.625}
    assert host.values(TOKENS, "gen_ai.token.type") == {("input",): 600, ("output",): 60}


def test_known_part_of_a_cost_is_counted(measured, host, provider, rows):
    """The rest is added where it becomes known, as no part of it twice."""

    def run(task):
        call_model(provider, 0.5)
        call_model(provider, None)

    SyncPool(run).execute_task({})
    measured.flush(60)

    (row,) = rows()
    assert (row["actual_cost"], row["cost_source"]) == (0.5, "partial")
    assert host.values(COST, POOL) == {("SyncPool",): 0.5}
    whole = SimpleNamespace(after=0.75, input_tokens=None, output_tokens=None)
    metrics_of(host.provider).totals_known({row["execution_id"]: whole})
    assert host.values(COST, POOL) == {("SyncPool",): 0.75}


def test_reported_cost_and_its_model_calls_count_once(measured, host, provider):
    """Only the excess of the model calls over the reported cost is added."""

    def run(task):
        call_model(provider, 0.75)
        return {"success": True, "cost": task["cost"]}

    SyncPool(run).execute_task({"cost": 0.5, "task_type": "too low"})
    SyncPool(run).execute_task({"cost": 1.0, "task_type": "too high"})
    measured.flush(60)

    # A counter cannot go back.
    assert host.values(COST, TYPE) == {("too low",): 0.75, ("too high",): 1.0}


def test_repeated_sums_count_once(measured, host, rows):
    """A retried transaction reports them again."""
    SyncPool(lambda task: {"success": True, "cost": 0.5}).execute_task({})
    (row,) = rows()
    metrics = metrics_of(host.provider)

    for cost in (0.5, 0.75, 0.75, None, 0.25):
        total = SimpleNamespace(after=cost, input_tokens=7, output_tokens=None)
        metrics.totals_known({row["execution_id"]: total, "somebody else's": total})

    assert host.values(COST, POOL) == {("SyncPool",): 0.75}
    assert host.values(TOKENS, "gen_ai.token.type") == {("input",): 7}


# Pools, as they describe themselves.


class Pool:
    pool_type = "agents"
    pool_id = "pool-7"

    def __init__(self, get_metrics):
        self.get_metrics = get_metrics


def gauges(host):
    found = host.metrics()
    return {
        name: [(dict(point.attributes), point.value) for point in found[name].data.data_points]
        for name in (BUSY, WORKERS, QUEUED)
        if name in found
    }


NAMED = {POOL: "agents", "learning_instrument.pool.id": "pool-7"}


@pytest.mark.parametrize(
    "figures",
    [
        {"active_workers": 2, "total_workers": 5, "queued_tasks": 9},
        {"workers_active": 2, "workers": 5, "queued": 9},
        SimpleNamespace(active_workers=2, total_workers=5, queue_size=9, status="running"),
    ],
)
def test_pool_is_read_at_each_collection(host, figures):
    """By the known names of these figures."""
    pool = Pool(lambda: figures)
    observe_pool(pool, meter_provider=host.provider)

    assert gauges(host) == {BUSY: [(NAMED, 2)], WORKERS: [(NAMED, 5)], QUEUED: [(NAMED, 9)]}


def test_pool_without_get_metrics_is_read_by_a_function(host):
    """Any object, by any callable."""
    executor = ThreadPoolExecutor(4)
    observe_pool(
        executor,
        lambda pool: {"workers": pool._max_workers, "queued": pool._work_queue.qsize()},
        meter_provider=host.provider,
    )

    found = gauges(host)
    executor.shutdown()
    assert found[WORKERS] == [({POOL: "ThreadPoolExecutor"}, 4)]
    assert found[QUEUED] == [({POOL: "ThreadPoolExecutor"}, 0)]


def test_asynchronous_pool_is_read_without_a_loop(host):
    """``get_metrics()`` may be a coroutine function."""

    async def get_metrics():
        await asyncio.sleep(0)
        return {"active_workers": 1}

    pool = Pool(get_metrics)
    observe_pool(pool, meter_provider=host.provider)

    assert gauges(host) == {BUSY: [(NAMED, 1)]}


async def test_asynchronous_pool_is_read_on_its_own_loop(host):
    """Its locks belong to the loop it was observed on."""
    seen = []

    async def get_metrics():
        seen.append(asyncio.get_running_loop())
        return {"active_workers": 3}

    pool = Pool(get_metrics)
    observe_pool(pool, meter_provider=host.provider)

    assert await asyncio.to_thread(gauges, host) == {BUSY: [(NAMED, 3)]}
    assert seen == [asyncio.get_running_loop()]


async def test_collection_on_the_pools_own_loop_does_not_wait(measured, host):
    """The collection blocks the loop, so the pool cannot answer; the other metrics are collected."""

    async def get_metrics():
        return {"active_workers": 3}

    pool = Pool(get_metrics)
    observe_pool(pool, meter_provider=host.provider)
    SyncPool().execute_task({})

    assert gauges(host) == {}
    assert host.values(EXECUTIONS, OUTCOME) == {("succeeded",): 1}


def test_pool_that_hangs_breaks_no_collection(measured, host):
    """Only its figures are missing, and it is not read again before it has answered."""
    asked, go = [], threading.Event()

    def hang():
        asked.append(None)
        go.wait(60)
        return {"active_workers": 1}

    hanging, answering = Pool(hang), Pool(lambda: {"active_workers": 2})
    observe_pool(hanging)
    observe_pool(answering)
    SyncPool().execute_task({})

    try:
        first = gauges(host)[BUSY]
        metrics_of(host.provider).pools._read_at = float("-inf")
        second = gauges(host)[BUSY]
        executions = host.values(EXECUTIONS, OUTCOME)
    finally:
        go.set()
    assert first == second == [(NAMED, 2)]
    assert executions == {("succeeded",): 1}
    assert len(asked) == 1


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
def test_pool_that_fails_breaks_no_collection(measured, host, caplog, error):
    """The failure is logged once."""

    def fail():
        raise error("no figures today")

    pool = Pool(fail)
    observe_pool(pool)
    SyncPool().execute_task({})

    for _ in range(2):
        metrics_of(host.provider).pools._read_at = float("-inf")
        assert gauges(host) == {}
    assert host.values(EXECUTIONS, OUTCOME) == {("succeeded",): 1}
    assert [record.message for record in caplog.records if "Cannot read" in record.message] == [
        f"Cannot read the figures of the pool {NAMED}."
    ]


@pytest.mark.parametrize("figures", [None, 5, "x", {"active_workers": -1}, {"active_workers": "2"}, {"queued": True}])
def test_invalid_figures_are_left_out(host, figures):
    """Only finite numbers from 0 on become values."""
    pool = Pool(lambda: figures)
    observe_pool(pool, meter_provider=host.provider)

    assert gauges(host) == {}


def test_observed_pool_is_not_kept_alive(host):
    """Its gauges end with it."""
    pool = Pool(lambda: {"active_workers": 1})
    observe_pool(pool, meter_provider=host.provider)
    assert gauges(host) != {}

    del pool
    gc.collect()
    metrics_of(host.provider).pools._read_at = float("-inf")

    assert gauges(host) == {}


@pytest.mark.parametrize(
    ("pool", "read", "message"),
    [
        (Host, None, "no get_metrics"),
        (Host, 5, "Invalid read 5"),
        ({}, lambda pool: {}, "takes weak references"),
    ],
)
def test_pool_that_cannot_be_observed_is_an_error(pool, read, message):
    """Raised where the user calls it, with the remedy."""
    with pytest.raises(ConfigurationError, match=message):
        observe_pool(pool, read)


def test_invalid_meter_provider_is_an_error():
    """The message names the value and the missing method."""
    with pytest.raises(ConfigurationError, match="Invalid meter_provider 5"):
        observe_pool(Host(), dict, meter_provider=5)


def test_current_span_of_the_host_stays(measured, host):
    """Metrics make no span current."""
    SyncPool().execute_task({})
    host.metrics()

    assert trace.get_current_span() is trace.INVALID_SPAN


def test_number_of_observed_pools_is_bounded(host, monkeypatch):
    """As of any attribute: a pool for each request would be a time series each."""
    monkeypatch.setattr("learning_instrument.pipeline.metrics.MOST_VALUES", 2)
    pools = [Pool(lambda: {"workers": 1}) for _ in range(4)]
    for number, pool in enumerate(pools):
        pool.pool_id = f"pool-{number}"
        observe_pool(pool, meter_provider=host.provider)

    ids = {attributes["learning_instrument.pool.id"] for attributes, _ in gauges(host)[WORKERS]}
    assert ids == {"pool-0", "pool-1", "_OTHER"}


def test_no_lock_is_held_while_instruments_record(host, measured):
    """Views and exemplar filters are foreign code: they may collect, and wait for other threads that collect."""
    metrics, seen = metrics_of(host.provider), []

    class Instrument:
        def record(self, value, attributes, context):
            with ThreadPoolExecutor(1) as other:
                seen.append((deferral.is_busy(), other.submit(metrics._lock.is_held_elsewhere).result()))
            metrics.drain()

    metrics._duration = Instrument()
    record_execution(lambda task: task)("a task")
    metrics.drain()

    assert seen == [(False, False)]
