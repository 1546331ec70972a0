"""The celery adapter: real prefork workers on the filesystem broker, and tasks that run at once."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import types
from importlib.metadata import version
from pathlib import Path

import celery
import celery.app.trace
import pytest
from fresh import variables

from learning_instrument import LearningDatabase, PoolInstrumentor, record_execution

APP = """
    import os, signal, time
    from pathlib import Path
    from celery import Celery
    from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded

    if os.environ.get("INSTRUMENT"):
        from learning_instrument import PoolInstrumentor
        PoolInstrumentor().instrument(targets="celery")

    if os.environ.get("THEIRS"):
        from opentelemetry import trace
        from opentelemetry.instrumentation.celery import CeleryInstrumentor
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

        exporter = ConsoleSpanExporter(
            out=open(os.environ["THEIRS"], "a"), formatter=lambda span: span.to_json(indent=None) + "\\n"
        )
        trace.set_tracer_provider(TracerProvider())
        trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
        CeleryInstrumentor().instrument()

    folder = Path(__file__).parent / "broker"
    for name in ("queue", "control", "results"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    app = Celery("shop", broker="filesystem://", backend=f"file://{folder / 'results'}")
    app.conf.update(
        broker_transport_options={
            "data_folder_in": str(folder / "queue"),
            "data_folder_out": str(folder / "queue"),
            "control_folder": str(folder / "control"),
            "polling_interval": 0.02,
        },
        broker_connection_retry_on_startup=True,
        task_default_queue="orders",
        worker_enable_remote_control=False,
        worker_lost_wait=0.5,
    )

    @app.task
    def answer(task):
        return task

    @app.task
    def nested(task):
        from learning_instrument import current_execution, record_execution
        current_execution().set(quality_score=88.0)
        return record_execution(lambda inner: {"span": current_execution().execution_id})({"task_type": "inside"})

    @app.task
    def fail(task):
        raise ValueError("the shop is closed")

    @app.task(bind=True, max_retries=1, default_retry_delay=0.2)
    def flaky(self, task):
        try:
            if self.request.retries == 0:
                raise ConnectionError("try again")
        except ConnectionError as error:
            raise self.retry(exc=error)
        return {"success": True}

    @app.task(bind=True, max_retries=1)
    def poll(self, task):
        if self.request.retries == 0:
            raise self.retry(countdown=0.1)

    @app.task(autoretry_for=(KeyError,), max_retries=0)
    def automatic(task):
        raise KeyError("missing")

    @app.task
    def ignore(task):
        raise Ignore()

    @app.task(acks_late=True)
    def reject(task):
        raise Reject("not here", requeue=False)

    @app.task(soft_time_limit=0.3)
    def slow(task):
        time.sleep(20)

    @app.task
    def busy(task):
        time.sleep(0.4)

    @app.task
    def head(task):
        return task

    @app.task
    def tail(task):
        return task

    @app.task
    def die(task):
        from learning_instrument import record_execution
        if task.get("inner"):
            record_execution(lambda inner: {"success": True})({"task_type": "inside"})
        time.sleep(task.get("after", 0))
        os.kill(os.getpid(), signal.SIGKILL)

    class Mortal(app.Task):
        def after_return(self, *_):
            os.kill(os.getpid(), signal.SIGKILL)

    @app.task(base=Mortal)
    def die_afterwards(task):
        return task

    def _die_decorated(task):
        os.kill(os.getpid(), signal.SIGKILL)

    from learning_instrument import record_execution as _recorded
    die_decorated = app.task(name="shop.die_decorated")(_recorded(_die_decorated))

    @app.task(bind=True, max_retries=1)
    def die_on_retry(self, task):
        if self.request.retries == 0:
            raise self.retry(countdown=0.1)
        os.kill(os.getpid(), signal.SIGKILL)

    class Called(app.Task):
        def __call__(self, *args, **kwargs):
            return {"called": super().__call__(*args, **kwargs)}

    @app.task(base=Called)
    def called(task):
        return "by its class"
"""

PUBLISHER = """
    import json
    from learning_instrument import PoolInstrumentor, current_execution, record_execution
    if {instrumented}:
        PoolInstrumentor().instrument(targets="celery")
    import shop

    @record_execution
    def publish(task):
        sent = {{}}
        for name in task["names"]:
            sent[name] = getattr(shop, name).apply_async(({{"task_id": name}} if name == "answer" else {{}},))
        if task["late"]:
            sent["tail"] = (shop.head.s({{}}) | shop.tail.s()).apply_async()
            sent["late"] = shop.answer.apply_async(({{"task_type": "late", "task_id": "late"}},), countdown=1)
        for name, result in sent.items():
            if name not in ("ignore", "reject"):
                result.get(timeout=40, propagate=False)
        return {{name: [result.id, result.state, repr(result.result)] for name, result in sent.items()}}

    print(json.dumps(publish({{"task_id": "publisher", "names": {names}, "late": {late}}})))
"""
NAMES = [
    "answer",
    "nested",
    "fail",
    "flaky",
    "poll",
    "automatic",
    "ignore",
    "reject",
    "slow",
    "busy",
    "called",
]


class Hostile:
    """Fails for any task."""

    def __getattribute__(self, name):
        raise SystemExit(f"asked for {name}")


def environment(folder, **more):
    given = {name: value for name, value in more.items() if value}
    own = {"PYTHONPATH": str(folder), "LEARNING_INSTRUMENT_DATABASE": str(folder / "learning.db")}
    return variables(**{**own, **given})


class Worker:
    """A celery worker in processes of its own, which are ended afterwards in any case."""

    def __init__(self, folder, *options, command=(), **more):
        self.log = folder / "worker.log"
        arguments = [*command, sys.executable, "-m", "celery", "-A", "shop", "worker", "-c1", "--loglevel=INFO"]
        alone = [
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]  # which take seconds to find no other worker
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*arguments, *alone, *options],
                cwd=folder,
                env=environment(folder, **more),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.process.terminate()
            self.process.wait(20)
        finally:
            self.kill()

    def kill(self):
        """Kill the worker at once: a regular end takes seconds."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def publish(folder, names, *, late=False, instrumented=True, **more):
    program = textwrap.dedent(PUBLISHER).format(names=names, late=late, instrumented=instrumented)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr + (folder / "worker.log").read_text()
    return json.loads(done.stdout)


def rows_in(folder):
    with LearningDatabase(folder / "learning.db") as database:
        return database.query("SELECT * FROM executions ORDER BY rowid")


def wait_for_rows(folder, count):
    """Celery stores no result for these tasks, so their end cannot be awaited."""
    end = time.monotonic() + 20
    while len(rows_in(folder)) < count and time.monotonic() < end:
        time.sleep(0.05)
    return rows_in(folder)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.py").write_text(textwrap.dedent(APP))
    return folder


@pytest.fixture(scope="module")
def worked(shop):
    """The results by name, the rows and the log of a worker whose child is replaced after each task."""
    with Worker(shop, "--max-tasks-per-child=1", INSTRUMENT="1") as worker:
        results = publish(shop, NAMES, late=True)
        rows = wait_for_rows(shop, len(NAMES) + 7)
        worker.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):  # billiard's fault: see tests/e2e/endings.py
            worker.process.wait(20)
        worker.kill()
    return results, rows, worker.log.read_text()


@pytest.fixture
def row_of(worked):
    def row_of(name, number=0):
        found = [row for row in worked[1] if row["task_type"] == f"shop.{name}"]
        return found[number]

    return row_of


@pytest.mark.slow
def test_each_run_is_one_execution(worked):
    """Retried tasks have two; none is missing, though the child that ran it has ended."""
    counts = dict.fromkeys(NAMES, 0)
    for row in worked[1]:
        name = row["task_type"].removeprefix("shop.")
        counts[name] = counts.get(name, 0) + 1

    expected = {
        **dict.fromkeys(NAMES, 1),
        "flaky": 2,
        "poll": 2,
        "publish": 1,
        "inside": 1,
        "late": 1,
        "head": 1,
        "tail": 1,
    }
    del expected["publish"]
    assert counts.pop("unknown") == 1, "the publisher"
    assert counts == expected
    assert len({row["process_id"] for row in worked[1]}) > len(NAMES)


@pytest.mark.slow
def test_tasks_results_are_those_of_celery(worked):
    """As without instrumentation."""
    results = {name: state for name, (_, state, _) in worked[0].items()}

    # What is rejected fails when the worker's child is replaced, if that comes before the question.
    assert results.pop("reject") in ("PENDING", "FAILURE")
    assert results == {
        **dict.fromkeys([*(name for name in NAMES if name != "reject"), "late", "tail"], "SUCCESS"),
        **dict.fromkeys(["fail", "automatic", "slow"], "FAILURE"),
        "ignore": "PENDING",
    }
    assert worked[0]["fail"][2] == "ValueError('the shop is closed')"
    assert worked[0]["called"][2] == "{'called': 'by its class'}"


@pytest.mark.slow
def test_execution_has_ids_of_task_queue_and_worker(worked, row_of):
    """A task's own id takes precedence over celery's, which is in the metadata."""
    fail, answer = row_of("fail"), row_of("answer")

    assert fail["task_id"] == worked[0]["fail"][0]
    assert (fail["pool_type"], fail["pool_id"]) == ("celery", "orders")
    assert fail["worker_id"].startswith("celery@")
    assert answer["task_id"] == "answer"
    assert json.loads(answer["metadata"])["task"] == {"retries": 0, "celery_id": worked[0]["answer"][0]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "number", "outcome", "exception_type"),
    [
        ("answer", 0, "succeeded", None),
        ("called", 0, "succeeded", None),
        ("fail", 0, "error", "ValueError"),
        ("automatic", 0, "error", "KeyError"),
        ("flaky", 0, "error", "ConnectionError"),
        ("flaky", 1, "succeeded", None),
        ("poll", 0, "cancelled", "celery.exceptions.Retry"),
        ("poll", 1, "succeeded", None),
        ("ignore", 0, "cancelled", "celery.exceptions.Ignore"),
        ("reject", 0, "error", "celery.exceptions.Reject"),
        ("slow", 0, "timeout", "billiard.exceptions.SoftTimeLimitExceeded"),
    ],
)
def test_outcome_is_what_happened_in_the_run(row_of, name, number, outcome, exception_type):
    """A retry has the outcome of the failure it was raised for; without one, it is cancelled."""
    row = row_of(name, number)

    assert (row["outcome"], row["exception_type"]) == (outcome, exception_type)


@pytest.mark.slow
def test_publisher_is_the_parent(worked, row_of):
    """In its trace, across processes, also of retries and of later links of a chain."""
    (publisher,) = [row for row in worked[1] if row["task_id"] == "publisher"]

    for row in [row_of("answer"), row_of("flaky"), row_of("flaky", 1), row_of("head"), row_of("tail")]:
        assert row["parent_execution_id"] == publisher["execution_id"]
        assert row["trace_id"] == publisher["trace_id"]
    assert json.loads(row_of("flaky", 1)["metadata"])["task"]["retries"] == 1


@pytest.mark.slow
def test_execution_is_current_while_it_runs(worked, row_of):
    """Inner executions are its children, and ``set()`` applies to it."""
    (inside,) = [row for row in worked[1] if row["task_type"] == "inside"]

    assert inside["parent_execution_id"] == row_of("nested")["execution_id"]
    assert row_of("nested")["quality_score"] == 88.0


@pytest.mark.slow
def test_wait_is_from_publishing_to_start(worked, row_of):
    """It grows while the one child is busy, in whichever order the broker hands out messages of one instant."""
    (late,) = [row for row in worked[1] if row["task_type"] == "late"]
    in_turn = sorted(map(row_of, ("slow", "busy", "called")), key=lambda row: row["timestamp"])

    assert in_turn[-1]["queue_seconds"] > in_turn[0]["queue_seconds"] + 0.3
    assert late["queue_seconds"] >= 0


@pytest.mark.slow
def test_worker_logs_no_fault_of_ours(worked):
    """Our name is in the log only in the frames that lead to a task."""
    assert [line for line in worked[2].splitlines() if "learning_instrument" in line and " File " not in line] == []


def test_worker_started_by_opentelemetry_instrument(shop, tmp_path):
    """Neither application nor producer is instrumented: there is no parent and no queue time."""
    (tmp_path / "shop.py").write_text((shop / "shop.py").read_text())
    command = str(Path(sys.executable).with_name("opentelemetry-instrument"))

    with Worker(tmp_path, command=[command], LEARNING_INSTRUMENT_POOLS="celery") as worker:
        publish(tmp_path, ["answer", "fail"], instrumented=False)
        rows = wait_for_rows(tmp_path, 2)
        worker.kill()

    # The broker hands out two messages of one instant in either order.
    assert {(row["task_type"], row["outcome"]) for row in rows} == {
        ("shop.answer", "succeeded"),
        ("shop.fail", "error"),
    }, worker.log.read_text()
    assert {row["queue_seconds"] for row in rows} == {None}
    assert {row["parent_execution_id"] for row in rows} == {None}


@pytest.fixture(scope="module")
def died(shop, tmp_path_factory):
    """The rows by the number of the task's argument, of a worker whose children are killed in the middle of tasks."""
    folder = tmp_path_factory.mktemp("died")
    (folder / "shop.py").write_text((shop / "shop.py").read_text())
    sent = [
        ("die", {}),
        ("die", {"after": 2}),
        ("die", {"inner": True}),
        ("die_decorated", {}),
        ("die_on_retry", {}),
        ("die_afterwards", {}),
        ("answer", {}),
    ]
    program = f"""
        from learning_instrument import PoolInstrumentor, record_execution
        PoolInstrumentor().instrument(targets="celery")
        import shop

        @record_execution
        def publish(task):
            sent = [getattr(shop, name).apply_async((argument,)) for name, argument in {sent!r}]
            for result in sent:
                result.get(timeout=60, propagate=False)
            print(*[result.id for result in sent])

        publish({{"task_id": "publisher"}})
    """
    with Worker(folder, INSTRUMENT="1") as worker:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            cwd=folder,
            env=environment(folder),
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, done.stderr + worker.log.read_text()
    rows = rows_in(folder)
    (publisher,) = [row for row in rows if row["task_id"] == "publisher"]
    return done.stdout.split(), rows, publisher, worker.log.read_text()


@pytest.mark.slow
def test_child_that_is_killed_loses_one_execution(died):
    """One row for each run: in its first second and later, around a stored one, decorated, retried, after its end."""
    ids, rows, publisher, log = died
    runs = {task_id: [row for row in rows if task_id in (row["task_id"], celery_id_of(row))] for task_id in ids}

    assert [[row["outcome"] for row in runs[task_id]] for task_id in ids] == [
        ["lost"], ["lost"], ["lost"], ["lost"], ["cancelled", "lost"], ["succeeded"], ["succeeded"]
    ], log  # fmt: skip
    assert len(rows) == 10, "the publisher, and what was stored within one"
    for row in [row for found in runs.values() for row in found if row["outcome"] == "lost"]:
        assert (row["error_type"], row["success"], row["pool_id"]) == ("crash", 0, "orders")
        assert row["parent_execution_id"] == publisher["execution_id"]
        assert row["trace_id"] == publisher["trace_id"]
        assert row["process_id"] not in (publisher["process_id"], None)
        assert row["queue_seconds"] >= 0


def celery_id_of(row):
    return json.loads(row["metadata"]).get("task", {}).get("celery_id")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """OpenTelemetry's instrumentation of celery, in a folder of its own: installed, it would affect all tests."""
    folder = tmp_path_factory.mktemp("theirs")
    package = f"opentelemetry-instrumentation-celery=={version('opentelemetry-instrumentation')}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--target", folder, package], check=True)
    return folder


def run_beside(theirs, shop, folder, *, ours):
    """Return spans and rows of a publisher and a worker that OpenTelemetry's instrumentation traces as well."""
    folder.mkdir()
    (folder / "shop.py").write_text((shop / "shop.py").read_text())
    spans = folder / "spans.jsonl"
    beside = {"PYTHONPATH": os.pathsep.join([str(folder), str(theirs)]), "THEIRS": str(spans)}
    with Worker(folder, INSTRUMENT="1" if ours else "", **beside):
        publish(folder, ["answer", "fail", "flaky"], instrumented=ours, **beside)
        rows = wait_for_rows(folder, 5) if ours else []
    return [json.loads(line) for line in spans.read_text().splitlines()], rows


@pytest.mark.slow
def test_beside_opentelemetrys_own_instrumentation(theirs, shop, tmp_path):
    """Each run has one record, below the foreign span and in its trace; the foreign spans do not change."""
    alone, _ = run_beside(theirs, shop, tmp_path / "alone", ours=False)
    spans, rows = run_beside(theirs, shop, tmp_path / "both", ours=True)

    by_id = {span["context"]["span_id"]: span for span in spans}
    own = {span["attributes"]["learning_instrument.execution.id"]: span for span in spans if is_ours(span)}
    runs = [row for row in rows if row["task_id"] != "publisher"]
    assert sorted(row["task_type"] for row in runs) == ["shop.answer", "shop.fail", "shop.flaky", "shop.flaky"]
    for row in runs:
        above = by_id[own[row["execution_id"]]["parent_id"]]
        assert above["name"] == f"run/{row['task_type']}"
        assert f"0x{row['trace_id']}" == above["context"]["trace_id"]
    assert len({row["trace_id"] for row in rows}) == 1, "the publisher's"
    assert sorted(map(told_by, filter(is_theirs, spans))) == sorted(map(told_by, filter(is_theirs, alone)))


def is_ours(span):
    return "learning_instrument.execution.id" in span["attributes"]


def is_theirs(span):
    return "celery.action" in span["attributes"]


def told_by(span):
    """Return the attributes of a foreign span that are the same in each run."""
    return span["name"], span["kind"], str(span["status"]), str(sorted(span["attributes"])), len(span["events"])


@pytest.fixture
def eager(database, tmp_path):
    """An application whose tasks run at once, in the caller."""
    PoolInstrumentor().instrument(targets="celery", database=database)
    app = celery.Celery("eager", broker="memory://", backend="cache+memory://", set_as_current=False)
    app.conf.task_always_eager = True
    yield app
    PoolInstrumentor().uninstrument()


def test_eager_tasks_are_executions_too(eager, rows):
    """By ``delay`` and ``apply``; a plain call is not, for it uses no pool."""

    @eager.task(name="double")
    def double(number):
        return 2 * number

    assert double.delay(2).get() == double.apply((2,)).get() == double(2) == 4

    assert [(row["task_type"], row["pool_type"], row["outcome"]) for row in rows()] == [
        ("double", "celery", "succeeded")
    ] * 2
    assert {row["queue_seconds"] for row in rows()} == {None}


def test_plain_arguments_are_the_description(eager, rows):
    """Unless the sender's own text of them hides one, as celery lets it."""

    @eager.task(name="charge")
    def charge(order, card):
        return {"success": True}

    def run(args, kwargs, **message):
        trace = celery.app.trace.build_tracer("charge", charge, app=eager, eager=True)
        trace("id-1", args, kwargs, {"is_eager": True, **message})

    run((7,), {"card": "4111"})
    run((7,), {"card": "4111"}, argsrepr="(7,)", kwargsrepr="{'card': '4111'}")
    run((7,), {"card": "4111"}, argsrepr="(7,)", kwargsrepr="{'card': '<hidden>'}")
    run(("Mend it", "4111"), {}, argsrepr="('Mend it', '4111')", kwargsrepr="{}")
    run(("Mend it", "4111"), {}, argsrepr="('Mend it', '<hidden>')")

    assert [row["task_description"] for row in rows()] == [
        '7, card="4111"', '7, card="4111"', "(7,), {'card': '<hidden>'}", "Mend it", "('Mend it', '<hidden>')"
    ]  # fmt: skip


def test_eager_exception_is_the_tasks_own(eager, rows):
    """Whether celery propagates or stores it."""
    error = LookupError("mine")

    @eager.task(name="fail")
    def fail():
        raise error

    assert fail.apply().result is error
    eager.conf.task_eager_propagates = True
    with pytest.raises(LookupError) as caught:
        fail.delay()

    assert caught.value is error
    assert [(row["outcome"], row["error_message"]) for row in rows()] == [("error", "mine")] * 2


def test_decorated_task_is_recorded_once(eager, rows):
    """By its decorator, under celery's own wrappers."""

    @eager.task(name="decorated", autoretry_for=(KeyError,), shared=False)
    @record_execution
    def decorated(task):
        return task

    assert decorated.delay({"task_type": "own"}).get() == {"task_type": "own"}

    assert [row["task_type"] for row in rows()] == ["own"]


def test_failing_telemetry_does_not_affect_the_task(eager, rows):
    """Nor does a hostile argument."""

    @eager.task(name="odd")
    def odd(task):
        return "done"

    assert odd.apply((Hostile(),)).get() == "done"
    assert [row["outcome"] for row in rows()] == ["succeeded"]


def test_nothing_of_ours_stays_after_uninstrument(eager, rows):
    """Tracers that celery keeps call the task directly, and messages have no header."""
    before = celery.app.trace.build_tracer
    PoolInstrumentor().uninstrument()

    @eager.task(name="later")
    def later():
        return 1

    assert later.apply().get() == 1
    headers = {}
    celery.signals.before_task_publish.send(sender="later", headers=headers)

    assert before is not celery.app.trace.build_tracer
    assert type(celery.app.trace.build_tracer) is types.FunctionType
    assert headers == {}
    assert rows() == []
