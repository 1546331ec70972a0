"""Model calls that know nothing but their parent: in a context made anew, in the task or after it."""

import gc
import os
import random
import threading
import time
import weakref
from concurrent.futures import Future

import pytest
from calls import calls, chat, costs, execution, usage
from calls import span as finished
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, Sampler, SamplingResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

from learning_instrument import LearningDatabase, SQLiteSpanExporter, configure, record_execution, shutdown
from learning_instrument.database import store_of
from learning_instrument.pipeline.pipelines import model_call_processor_of
from learning_instrument.recording import in_flight


@pytest.fixture(params=["commit", "batch"])
def recorded(tmp_path, provider, request):
    """``configure()`` with the host's provider."""
    return configure(tmp_path / "learning.db", tracer_provider=provider, durability=request.param)


@pytest.fixture
def tracer(provider):
    """The tracer of a library that instruments a model's client."""
    return provider.get_tracer("other.library")


def alone(span):
    """Return a context that holds *span* and nothing else."""
    return set_span_in_context(span, Context())


def ids_alone(span):
    """Return one that holds the ids of *span*, as a propagator makes it."""
    ids = span.get_span_context()
    return alone(NonRecordingSpan(SpanContext(ids.trace_id, ids.span_id, True, ids.trace_flags, ids.trace_state)))


def tokens(database):
    return {row["task_type"]: row["input_tokens"] for row in database.query("SELECT * FROM executions")}


def call_below(tracer, context):
    tracer.start_span("chat", context, attributes=usage(cost=0.25)).end()


def test_parent_in_the_task_is_enough(recorded, tracer):
    """The execution's own span, and one within it that has ended: whole, or its ids; on this thread or another."""

    @record_execution
    def execute_task(task):
        own = trace.get_current_span()
        with tracer.start_as_current_span("chain") as chain, tracer.start_as_current_span("step") as step:
            pass
        for span in (own, chain, step):
            for context in (alone(span), ids_alone(span)):
                call_below(tracer, context)
                thread = threading.Thread(target=call_below, args=(tracer, context))
                thread.start()
                thread.join()

    execute_task({"task_type": "t"})

    assert tokens(recorded) == {"t": 12 * 10}


def test_parent_after_the_task_is_enough(recorded, tracer):
    """As where a stream is read to its end later: each execution gets its own."""
    kept = []

    @record_execution
    def execute_task(task):
        kept.append(trace.get_current_span())
        with tracer.start_as_current_span("chain") as chain:
            kept.append(chain)

    for n in range(3):
        execute_task({"task_type": f"t{n}"})
    call_below(tracer, alone(kept[0]))
    call_below(tracer, ids_alone(kept[1]))
    call_below(tracer, alone(kept[4]))
    with tracer.start_as_current_span("late", alone(kept[4])):  # and what is below that
        call_below(tracer, None)

    assert tokens(recorded) == {"t0": 20, "t1": None, "t2": 20}


def test_call_below_an_ended_one_is_within_it(recorded, tracer):
    """The spans between are kept, by which one call that two spans tell of counts once."""

    @record_execution
    def execute_task(task):
        with tracer.start_as_current_span("chain") as chain:
            call_below(tracer, alone(chain))
            outer = tracer.start_span("chat", attributes=usage(cost=0.25))
            outer.end()
        call_below(tracer, alone(outer))
        call_below(tracer, set_span_in_context(outer))
        return [f"{span.get_span_context().span_id:016x}" for span in (chain, outer)]

    chain, outer = execute_task({})

    assert sorted(row["path"] for row in calls(recorded)) == sorted([chain, chain, *[f"{outer} {chain}"] * 2])


def test_innermost_execution_gets_it(recorded, tracer):
    """Running and ended; its span is one within the outer execution as well."""
    kept = []

    @record_execution
    def inner(task):
        kept.append(trace.get_current_span())
        call_below(tracer, alone(kept[-1]))

    @record_execution
    def outer(task):
        inner({"task_type": "inner"})
        call_below(tracer, alone(kept[-1]))

    outer({"task_type": "outer"})
    call_below(tracer, alone(kept[-1]))

    assert tokens(recorded) == {"inner": 30, "outer": None}


class DropsExecutions(Sampler):
    """Drops the spans of executions, and keeps what is below."""

    def should_sample(self, parent_context, trace_id, name, *args, **kwargs):
        if name.startswith("execute_task"):
            return SamplingResult(Decision.DROP)
        return ALWAYS_ON.should_sample(parent_context, trace_id, name, *args, **kwargs)

    def get_description(self):
        return "drops executions"


def test_execution_that_the_sampler_drops_gets_it(database):
    """Its host's span does not record, and has ids all the same."""
    provider = TracerProvider(sampler=DropsExecutions())
    tracer = provider.get_tracer("other.library")
    configure(database, tracer_provider=provider)
    kept = []

    @record_execution
    def execute_task(task):
        kept.append(trace.get_current_span())
        call_below(tracer, alone(kept[0]))

    execute_task({"task_type": "t"})
    call_below(tracer, alone(kept[0]))

    assert not kept[0].is_recording()
    assert tokens(database) == {"t": 20}


def test_database_of_its_own_gets_it(tmp_path, database, provider, tracer):
    """Executions of one within those of another, too."""
    configure(database, tracer_provider=provider)
    kept = []
    with LearningDatabase(tmp_path / "own.db") as own:

        @record_execution(learning_db=own, tracer_provider=provider)
        def inner(task):
            kept.append(trace.get_current_span())

        record_execution(lambda task: inner({"task_type": "inner"}))({"task_type": "outer"})
        call_below(tracer, alone(kept[0]))

        assert tokens(own) == {"inner": 10}
        assert tokens(database) == {"outer": None}


def test_call_after_shutdown_is_stored(recorded, tracer):
    kept = []
    record_execution(lambda task: kept.append(trace.get_current_span()))({"task_type": "t"})
    shutdown()
    gc.collect()

    call_below(tracer, alone(kept[0]))

    assert tokens(recorded) == {"t": 10}


def test_other_traces_and_other_spans_are_not_taken_for_it(recorded, tracer):
    """A span id alone says little: an application that seeds ``random`` may repeat it."""
    kept = []
    record_execution(lambda task: kept.append(trace.get_current_span().get_span_context()))({"task_type": "t"})
    (ids,) = kept

    for other in (
        SpanContext(ids.trace_id + 1, ids.span_id, True, ids.trace_flags),
        SpanContext(ids.trace_id, ids.span_id + 1, True, ids.trace_flags),
    ):
        call_below(tracer, alone(NonRecordingSpan(other)))
    call_below(tracer, alone(trace.INVALID_SPAN))

    assert tokens(recorded) == {"t": None}
    assert calls(recorded) == []


def test_repeated_span_ids_lead_to_their_trace(database):
    """Ids of a generator that counts anew in each trace."""

    class Counting(RandomIdGenerator):
        spans = 0

        def generate_trace_id(self):
            Counting.spans = 0
            return super().generate_trace_id()

        def generate_span_id(self):
            Counting.spans += 1
            return Counting.spans

    provider = TracerProvider(id_generator=Counting())
    tracer = provider.get_tracer("other.library")
    configure(database, tracer_provider=provider)

    @record_execution
    def execute_task(task):
        call_below(tracer, alone(trace.get_current_span()))

    for n in range(3):
        execute_task({"task_type": f"t{n}"})

    assert tokens(database) == {"t0": 10, "t1": 10, "t2": 10}


def test_long_execution_is_found_after_many_short_ones(tmp_path, provider, tracer, monkeypatch):
    """Those in flight are not pushed out by those that ended; of these the newest are found."""
    monkeypatch.setattr(in_flight, "_MOST_ENDED", 10)
    monkeypatch.setattr(in_flight, "_SLACK", 5)
    database = configure(tmp_path / "learning.db", tracer_provider=provider)
    kept = []
    short = record_execution(lambda task: kept.append(trace.get_current_span()))

    @record_execution
    def long(task):
        own = trace.get_current_span()
        for n in range(100):
            short({"task_type": f"t{n}"})
            tracer.start_span("step").end()
            if n % 7 == 0:
                call_below(tracer, alone(own))
        call_below(tracer, alone(own))

    long({"task_type": "long"})
    for span in kept:
        call_below(tracer, alone(span))

    found = tokens(database)
    assert found.pop("long") == 10 * 16
    assert [found[f"t{n}"] for n in range(91, 100)] == [10] * 9
    assert [found[f"t{n}"] for n in range(60)] == [None] * 60


def test_memory_is_bounded(tmp_path, provider, tracer, monkeypatch):
    """Of ids, however many executions and spans came and went, and were looked for."""
    monkeypatch.setattr(in_flight, "_MOST_ENDED", 10)
    monkeypatch.setattr(in_flight, "_SLACK", 5)
    database = configure(tmp_path / "learning.db", tracer_provider=provider)
    running = store_of(database).running
    kept = []

    @record_execution
    def execute_task(task):
        kept[:] = [trace.get_current_span()]
        for _ in range(20):
            with tracer.start_as_current_span("step"):
                pass
            call_below(tracer, alone(kept[0]))

    for _ in range(30):
        execute_task({})
        call_below(tracer, ids_alone(kept[0]))

    assert running.by_id == {}
    assert model_call_processor_of(provider)._open == {}
    assert len(running.ended) == len(running.ended_spans) == 10
    assert all(len(index._by_span) <= 50 for index in (running._running, running._ended, running._spans))


def test_nothing_but_ids_is_kept(tmp_path, provider, tracer):
    """Neither a task that ended, nor one that never ends with its future."""

    class Task(dict):
        pass

    def drop():
        database = LearningDatabase(tmp_path / "own.db")
        arguments = {"learning_db": database, "tracer_provider": provider}

        def body(task):
            call_below(tracer, alone(trace.get_current_span()))
            tracer.start_span("step").end()
            return task.get("result")

        execute_task = record_execution(**arguments)(body)
        done, never, pending = Task(), Task(), Future()
        never["result"] = pending
        execute_task(done)
        execute_task(never)
        database.close()
        return [weakref.ref(each) for each in (done, never, pending)]

    dropped = drop()
    gc.collect()

    assert [reference() for reference in dropped] == [None] * 3


def test_forked_child_attributes_to_the_right_execution(recorded, tracer):
    """Those of the parent that are in flight, and those that have ended; its own stay its own."""
    kept = []
    record_execution(lambda task: kept.append(trace.get_current_span()))({"task_type": "ended"})

    def in_child(own):
        for span in (kept[0], own):
            call_below(tracer, alone(span))

        @record_execution
        def execute_task(task):
            call_below(tracer, alone(trace.get_current_span()))

        execute_task({"task_type": "child"})
        recorded.close()

    @record_execution
    def execute_task(task):
        own = trace.get_current_span()
        child = os.fork()
        if not child:
            try:
                in_child(own)
            finally:
                os._exit(0)
        os.waitpid(child, 0)

    execute_task({"task_type": "running"})
    recorded.flush()

    assert tokens(recorded) == {"ended": 10, "running": 10, "child": 10}


def test_threads_that_start_and_end_executions_at_once(recorded, tracer):
    """Each late call is found, whichever thread reads what is new."""
    seconds = 0.002

    def execute_task(task):
        own = trace.get_current_span()
        call_below(tracer, alone(own))
        return own

    execute_task = record_execution(execute_task)

    def work(n):
        for i in range(40):
            own = execute_task({"task_type": f"{n}-{i}"})
            if random.random() < 0.2:
                threading.Event().wait(seconds * random.random())
            call_below(tracer, alone(own))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(tokens(recorded).values()) == {20}
    assert len(costs(recorded)) == 240


# The exporter in the user's own provider: by the links from span to parent.


@pytest.fixture
def exported(database, provider):
    """A provider with the exporter, and nothing configured."""
    provider.add_span_processor(SimpleSpanProcessor(SQLiteSpanExporter(database)))
    return database


def test_exporter_finds_the_parent_in_the_database(exported, provider, tracer):
    """In the task and after it, below the execution's span and below one that has ended."""
    kept = []

    @record_execution(tracer_provider=provider)
    def execute_task(task):
        kept.append(trace.get_current_span())
        with tracer.start_as_current_span("chain") as chain:
            kept.append(chain)
        for span in kept[-2:]:
            call_below(tracer, alone(span))

    for n in range(2):
        execute_task({"task_type": f"t{n}"})
    for span in kept[:2]:
        call_below(tracer, ids_alone(span))
    exported.flush()

    assert tokens(exported) == {"t0": 40, "t1": 20}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_exporter_of_another_process_finds_it(database, order):
    """Its parent is the span of an execution here."""
    exporters = [SQLiteSpanExporter(database.path) for _ in order]
    exports = [[execution(1)], [chat(2, 1, cost=0.25)]]

    for n in order:
        exporters[n].export(exports[n])
        exporters[n].shutdown()

    assert [row["input_tokens"] for row in costs(database)] == [10]


@pytest.mark.parametrize("is_first", [True, False])
def test_exporter_of_another_process_finds_what_is_recorded_live(recorded, is_first):
    """Whose span no exporter has seen: its row says which span it was."""
    exporter, kept = SQLiteSpanExporter(recorded.path), []

    def export(ids):
        step = finished(7, ids.span_id, {}, trace_id=ids.trace_id)
        exporter.export([step, chat(8, 7, trace_id=ids.trace_id, cost=0.25)])
        exporter.force_flush()

    @record_execution
    def execute_task(task):
        kept.append(trace.get_current_span().get_span_context())
        if is_first:
            export(kept[0])

    execute_task({"task_type": "t"})
    if not is_first:
        export(kept[0])
    recorded.flush()

    deadline = time.monotonic() + 10
    while tokens(recorded) != {"t": 10} and time.monotonic() < deadline:
        store_of(recorded)._writer.request_housekeeping()
        time.sleep(0.02)
    assert tokens(recorded) == {"t": 10}
    exporter.shutdown()
