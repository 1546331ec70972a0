"""One execution, one span: its shape, its nesting, and what the host's tracing sees of it."""

import asyncio
import contextvars
import json
import random
import runpy
import weakref

import pytest
from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind, StatusCode
from small_pools import AsyncPool, SyncPool

from learning_instrument import ExecutionRecord, configure, current_execution, record_execution, semconv
from learning_instrument.database import store_of
from learning_instrument.pipeline.private_tracer import PrivateTracer
from learning_instrument.safety.clocks import time


def raising(exception):
    def run(task):
        raise exception

    return run


@pytest.fixture
def hosted(database, provider):
    """``configure()``, with the host's provider."""
    return configure(database, tracer_provider=provider)


# The span.


def test_span_has_name_kind_and_scope(hosted, exporter):
    """``execute_task {task_type}``, INTERNAL, under our name and version."""
    SyncPool().execute_task({"task_type": "review"})
    SyncPool().execute_task({})

    first, second = exporter.get_finished_spans()
    assert (first.name, first.kind) == ("execute_task review", SpanKind.INTERNAL)
    assert first.instrumentation_scope.name == "learning_instrument"
    assert first.instrumentation_scope.version
    assert second.name == "execute_task"


def test_span_is_renamed_for_a_task_type_set_later(hosted, exporter):
    """A task type set by the task is in the name."""
    SyncPool(lambda task: current_execution().set(task_type="late")).execute_task({"task_type": "early"})

    assert [span.name for span in exporter.get_finished_spans()] == ["execute_task late"]


@pytest.mark.parametrize(
    ("run", "status", "description"),
    [
        (lambda task: {"success": True}, StatusCode.UNSET, None),
        (lambda task: {"success": False, "error": "no good"}, StatusCode.ERROR, "no good"),
        (lambda task: {"status": "timeout"}, StatusCode.ERROR, "timeout"),
        (lambda task: {"status": "cancelled"}, StatusCode.UNSET, None),
        (raising(ValueError("wrong")), StatusCode.ERROR, "wrong"),
        (raising(TimeoutError()), StatusCode.ERROR, "TimeoutError"),
        (raising(asyncio.CancelledError()), StatusCode.UNSET, None),
    ],
)
def test_status_follows_the_outcome(hosted, exporter, run, status, description):
    """UNSET for success and cancellation, else ERROR with the message."""
    try:
        SyncPool(run).execute_task({})
    except BaseException:
        pass

    (span,) = exporter.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (status, description)


def test_exception_is_an_event_of_the_span(hosted, exporter):
    """With class, message and stack, and without secrets."""
    with pytest.raises(OSError, match="refused"):
        SyncPool(raising(OSError("refused: password=hunter2secret"))).execute_task({})

    (event,) = exporter.get_finished_spans()[0].events
    assert event.name == "exception"
    assert event.attributes["exception.type"] == "OSError"
    assert event.attributes["exception.message"] == "refused: password=[redacted]"
    assert "pools.py" in event.attributes["exception.stacktrace"]


@pytest.mark.parametrize("secret", ["", "pwd=abcd"])
def test_long_stack_keeps_its_innermost_frames(hosted, exporter, tmp_path, secret):
    """Also where the redacted text is longer than the stack."""
    deep = "\n".join(f"def f{n}(): return f{n + 1}()  # {'x' * 90} {' '.join([secret] * 12)}" for n in range(40))
    code = tmp_path / "deep.py"
    code.write_text(f"{deep}\ndef f40(): raise OSError('innermost')\n")
    functions = runpy.run_path(str(code))

    with pytest.raises(OSError, match="innermost"):
        SyncPool(lambda task: functions["f0"]()).execute_task({})

    (event,) = exporter.get_finished_spans()[0].events
    stack = event.attributes["exception.stacktrace"]
    assert stack.startswith("  File ")
    assert "raise OSError('innermost')" in stack
    assert 2000 < len(stack) <= 4000
    assert "abcd" not in stack


def test_span_is_as_long_as_the_task_though_the_clock_is_set_back(hosted, exporter, monkeypatch):
    """End is start plus the monotonic difference."""
    clock = iter([10**18, 10**17])
    monkeypatch.setattr(time, "time_ns", lambda: next(clock, 10**17))

    SyncPool().execute_task({})

    (span,) = exporter.get_finished_spans()
    assert span.start_time == 10**18
    assert 0 < span.end_time - span.start_time < 10**9
    assert span.attributes[semconv.TASK_DURATION] == pytest.approx((span.end_time - span.start_time) / 1e9)


def test_span_is_current_while_the_task_runs(hosted, exporter):
    """What the task traces hangs below it; afterwards everything is as before."""
    before = otel_context.get_current()
    seen = []
    pool = SyncPool(lambda task: seen.append(trace.get_current_span().get_span_context().span_id))

    pool.execute_task({})

    assert seen == [exporter.get_finished_spans()[0].context.span_id]
    assert otel_context.get_current() is before


def test_span_hangs_below_the_hosts(hosted, provider, rows):
    """An execution within a span of the host's is in its trace."""
    with provider.get_tracer("host").start_as_current_span("request") as span:
        SyncPool().execute_task({})

    assert rows()[0]["trace_id"] == f"{span.get_span_context().trace_id:032x}"


def test_tasks_attributes_cannot_crowd_out_ours(hosted, rows):
    """A span holds 128 attributes and drops the oldest; ours come last."""

    def run(task):
        for n in range(200):
            trace.get_current_span().set_attribute(f"theirs.{n}", n)
        return {"success": True}

    SyncPool(run).execute_task({"task_type": "crowded", "prompt": "hello"})

    (row,) = rows()
    assert (row["task_type"], row["task_description"], row["outcome"]) == ("crowded", "hello", "succeeded")


@pytest.mark.parametrize("count", [100, 128, 300])
def test_hooks_attributes_cannot_crowd_out_ours(hosted, rows, count):
    """Nor those that a hook sets after the task."""

    def crowd(span, *_):
        for n in range(count):
            span.set_attribute(f"theirs.{n}", n)

    record_execution(response_hook=crowd)(lambda task: {"cost": 0.5})({"task_id": "t-1", "task_type": "crowded"})

    (row,) = rows()
    assert (row["task_id"], row["task_type"], row["actual_cost"]) == ("t-1", "crowded", 0.5)
    assert row["outcome"] == "succeeded"


def test_short_attribute_limit_leaves_a_record(database, exporter, monkeypatch, rows):
    """A host that cuts attributes cuts our JSON; the record is readable all the same."""
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "64")
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    configure(database, tracer_provider=provider)

    SyncPool().execute_task({"task_type": "x", "metadata": {"long": "y" * 200}})

    record = ExecutionRecord.from_dict(rows()[0])
    assert (record.task_type, record.success) == ("x", True)


def test_random_numbers_of_the_task_stay_the_same(configured):
    """A seeded task draws what it drew without us."""

    def draw(task):
        random.seed(42)
        return [random.random() for _ in range(3)]

    random.seed(1)
    assert SyncPool(draw).execute_task({}) == draw({})
    expected = random.Random(1)
    random.seed(1)
    SyncPool().execute_task({})
    assert random.random() == expected.random()


def test_seeded_tasks_have_ids_of_their_own(configured, rows):
    """Tasks that seed the global generator alike do not share an execution id."""
    pool = SyncPool(lambda task: random.seed(42))
    for _ in range(3):
        pool.execute_task({})

    assert len({row["execution_id"] for row in rows()}) == 3
    assert len({row["task_id"] for row in rows()}) == 3


# Executions within executions.


def test_nested_execution_has_a_parent(configured, rows):
    """The enclosing execution's id is the parent's."""
    inner = SyncPool()
    SyncPool(lambda task: inner.execute_task({"task_type": "inner"})).execute_task({"task_type": "outer"})

    inside, outside = rows()
    assert (inside["task_type"], outside["task_type"]) == ("inner", "outer")
    assert inside["parent_execution_id"] == outside["execution_id"]
    assert outside["parent_execution_id"] is None
    assert inside["trace_id"] == outside["trace_id"]


def test_a_span_between_does_not_hide_the_parent(hosted, provider, rows):
    """The parent execution is found through spans of others."""
    inner = SyncPool()

    def run(task):
        with provider.get_tracer("between").start_as_current_span("between"):
            return inner.execute_task({})

    SyncPool(run).execute_task({})

    inside, outside = rows()
    assert inside["parent_execution_id"] == outside["execution_id"]


def test_recursion_is_recorded_call_by_call(configured, rows):
    """A pool that runs subtasks on itself is not mistaken for ``super()``."""
    pool = SyncPool(lambda task: pool.execute_task(task - 1) if task else "done")

    assert pool.execute_task(2) == "done"

    first, second, third = rows()
    assert first["parent_execution_id"] == second["execution_id"]
    assert second["parent_execution_id"] == third["execution_id"]


def test_super_is_recorded_once(configured, rows):
    """``super().execute_task()`` is part of the same execution."""

    class Special(SyncPool):
        @record_execution
        def execute_task(self, task):
            return super().execute_task(task)

    Special().execute_task({})

    assert [row["pool_type"] for row in rows()] == ["Special"]


async def test_async_super_is_recorded_once(configured, rows):
    """Coroutines as well."""

    class Special(AsyncPool):
        @record_execution
        async def execute_task(self, task):
            return await super().execute_task(task)

    await Special().execute_task({})

    assert len(rows()) == 1


def test_another_pool_of_the_same_class_is_recorded(configured, rows):
    """Delegation to another instance is another execution."""

    class Special(SyncPool):
        @record_execution
        def execute_task(self, task):
            return super().execute_task(task)

    inner = Special()
    Special(inner.execute_task).execute_task({})

    assert len(rows()) == 2


# Turned off.


async def test_suppressed_calls_go_straight_through(hosted, exporter, rows):
    """Neither span nor row, for any kind of function."""
    with suppress_instrumentation():
        assert SyncPool().execute_task({}) == {"success": True}
        assert await AsyncPool().execute_task({}) == {"success": True}

    assert rows() == []
    assert exporter.get_finished_spans() == ()


# The host's decisions.


def sampled_out(exporter, sampler=ALWAYS_OFF):
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


def test_execution_the_sampler_drops_is_recorded(database, exporter, rows):
    """In the database; the host's exporter gets nothing."""
    configure(database, tracer_provider=sampled_out(exporter))

    SyncPool().execute_task({"task_id": "t-1", "prompt": "hello"})

    (row,) = rows()
    assert (row["task_id"], row["task_description"], row["success"]) == ("t-1", "hello", 1)
    assert exporter.get_finished_spans() == ()


def test_nested_executions_the_sampler_drops_share_the_hosts_trace(database, exporter, rows):
    """Parent and trace are the same as if they had been sampled."""
    provider = sampled_out(exporter)
    configure(database, tracer_provider=provider)
    inner = SyncPool()

    with provider.get_tracer("host").start_as_current_span("request") as span:
        SyncPool(inner.execute_task).execute_task({})

    inside, outside = rows()
    assert inside["parent_execution_id"] == outside["execution_id"]
    assert {inside["trace_id"], outside["trace_id"]} == {f"{span.get_span_context().trace_id:032x}"}


@pytest.mark.parametrize("flag", ["00", "01"])
def test_traceparent_carries_the_hosts_decision(database, exporter, rows, flag):
    """A task sends the headers it would send without us: same trace, same flag."""
    configure(database, tracer_provider=TracerProvider(sampler=ParentBased(ALWAYS_OFF)))
    trace_id, headers = "0af7651916cd43dd8448eb211c80319c", {}
    incoming = propagate.extract({"traceparent": f"00-{trace_id}-b7ad6b7169203331-{flag}"})
    token = otel_context.attach(incoming)

    SyncPool(lambda task: propagate.inject(headers)).execute_task({})

    otel_context.detach(token)
    _, sent_trace_id, span_id, sent_flag = headers["traceparent"].split("-")
    (row,) = rows()
    assert (sent_trace_id, sent_flag) == (trace_id, flag)
    assert (row["trace_id"], row["span_id"]) == (trace_id, span_id)


def test_unsampled_tasks_own_spans_stay_unsampled(database, exporter, rows):
    """Recording an execution does not turn the host's sampling on below it."""
    provider = sampled_out(exporter, ParentBased(ALWAYS_OFF))
    configure(database, tracer_provider=provider)

    def run(task):
        with provider.get_tracer("theirs").start_as_current_span("child") as span:
            return span.is_recording()

    assert SyncPool(run).execute_task({}) is False
    assert len(rows()) == 1
    assert exporter.get_finished_spans() == ()


def test_execution_after_the_hosts_shutdown_is_recorded(hosted, provider, rows):
    """The provider's owner shut it down; the pool still works, and so do we."""
    provider.shutdown()

    SyncPool().execute_task({})

    assert len(rows()) == 1


class OtherProvider(trace.TracerProvider):
    """A provider of another implementation, without ``add_span_processor``."""

    def get_tracer(self, *args, **kwargs):
        return trace.NoOpTracer()


def test_provider_of_another_implementation_works(database, rows):
    """No processor can be added to it, and its spans cannot be read back; nested executions share a trace."""
    configure(database, tracer_provider=OtherProvider())
    inner = SyncPool()

    SyncPool(inner.execute_task).execute_task({})

    inside, outside = rows()
    assert inside["parent_execution_id"] == outside["execution_id"]
    assert inside["trace_id"] == outside["trace_id"]
    assert inside["span_id"] != outside["span_id"]


def test_no_sdk_leaves_no_traceparent(database, rows):
    """Without an SDK a task sends no header, recorded or not."""
    configure(database, tracer_provider=trace.NoOpTracerProvider())
    headers = {}

    SyncPool(lambda task: propagate.inject(headers)).execute_task({})

    assert headers == {}
    assert len(rows()) == 1


@pytest.mark.parametrize("where", ["on_start", "on_end"])
def test_failing_processor_of_the_hosts_costs_neither_task_nor_row(database, caplog, where):
    """The SDK lets its exceptions through; they end here, in one line of the log."""

    error = type(f"FailedIn_{where}", (Exception,), {})  # each class of fault is logged once in a process

    def fail(*args, **kwargs):
        raise error("the host's processor is broken")

    provider = TracerProvider()
    provider.add_span_processor(type("Failing", (SpanProcessor,), {where: fail})())
    configure(database, tracer_provider=provider)

    for _ in range(3):
        assert SyncPool().execute_task({}) == {"success": True}

    assert (database.statistics().stored, database.statistics().lost) == (3, {})
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_failing_tracer_leaves_the_hosts_span_open(database, provider, exporter, monkeypatch):
    """We end no span that we did not start."""
    configure(database, tracer_provider=provider)
    with provider.get_tracer("host").start_as_current_span("request") as span:
        monkeypatch.setattr(provider.sampler, "should_sample", lambda *args, **kwargs: 1 / 0)
        SyncPool().execute_task({})
        assert span.is_recording()

    (row,) = database.query("SELECT * FROM executions")
    assert row["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert row["span_id"] != f"{span.get_span_context().span_id:016x}"


def test_fault_of_ours_is_counted_and_logged_once(database, caplog, monkeypatch):
    """The tasks go on."""
    configure(database, tracer_provider=OtherProvider())
    monkeypatch.setattr(PrivateTracer, "start_private_span", lambda *args: 1 / 0)

    for _ in range(3):
        assert SyncPool().execute_task({}) == {"success": True}

    assert database.statistics().lost == {"fault": 3}
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_losses_are_stored_with_the_next_row(database):
    """The table ``losses`` counts unrecorded executions, so that reports can show them."""
    configure(database)
    store_of(database).count_lost("fault", 2)

    SyncPool().execute_task({})
    SyncPool().execute_task({})

    assert database.query("SELECT reason, executions FROM losses") == [{"reason": "fault", "executions": 2}]


def test_current_execution_has_an_id(configured, rows):
    """The id that a task can note is the row's."""
    seen = []
    SyncPool(lambda task: seen.append(current_execution().execution_id)).execute_task({})

    assert seen == [rows()[0]["execution_id"]]
    assert json.loads(rows()[0]["defaulted"])


@pytest.mark.parametrize("limits", [SpanLimits(max_span_attributes=6), SpanLimits(max_span_attribute_length=10)])
def test_limits_of_the_host_do_not_cut_the_record(database, rows, limits):
    """A record that its spans cannot hold is in one of ours, under the same ids."""
    provider = TracerProvider(span_limits=limits)
    task = {"task_type": "limited", "prompt": "a prompt of more than ten characters", "metadata": {"key": "value"}}

    record_execution(learning_db=database, tracer_provider=provider)(lambda task: {"success": True})(task)

    (row,) = rows()
    assert (row["task_type"], row["task_description"]) == (task["task_type"], task["prompt"])
    assert json.loads(row["metadata"])["task"] == {"key": "value"}
    assert "task_type" not in row["defaulted"]


def test_ended_execution_holds_nothing_of_the_task(database):
    """A context that a task in the background copied may live on for long."""

    class Task:
        task_type = "held"

    kept = []

    @record_execution(learning_db=database)
    def execute_task(task):
        kept.append(contextvars.copy_context())

    task = Task()
    watched = weakref.ref(task)
    execute_task(task)
    del task

    assert watched() is None


def test_disabled_sdk_calls_no_hook(monkeypatch):
    """Nothing of ours runs."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    asked = []
    decorate = record_execution(
        success_when=asked.append,
        request_hook=lambda *args: asked.append(args),
        fields={"repo": lambda *a: asked.append(a)},
    )

    decorate(lambda task: None)({})

    assert asked == []


def test_unknown_columns_are_warned_of_once(configured, caplog):
    """And not at each task: other names are another warning."""

    @record_execution(learning_db=configured)
    def run(task):
        current_execution().set(**task["columns"])

    for name in ("colour_of_once", "colour_of_once", "shape_of_once"):
        run({"columns": {name: 1}})

    assert [record.args[0] for record in caplog.records] == [["colour_of_once"], ["shape_of_once"]]
