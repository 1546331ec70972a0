"""No secret, and without contents nothing that people wrote, in any text that is stored or sent."""

import contextlib
import functools
import json
import logging
import re
import threading
import uuid
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from learning_instrument import (
    ExecutionRecord,
    PoolInstrumentor,
    configure,
    current_execution,
    record_execution,
)
from learning_instrument.recording.contents import message_without, metadata_without
from learning_instrument.safety.named_secrets import MARKER
from learning_instrument.transfer import export_executions, import_executions

SECRET = "gh" + "p_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7aB3dE6gH9"
PROMPT = "Mr Smith of Leeds asks for his 42 pounds back, and swears"


def everything(exporter, database):
    """Return all that was sent and stored, as one text."""
    database.flush()
    tables = [row["name"] for row in database.query("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = {name: database.query(f'SELECT * FROM "{name}"') for name in tables}
    spans = [span.to_json() for span in exporter.get_finished_spans()]
    return "\n".join([*spans, repr(rows)])


@pytest.fixture
def hosted(database, provider):
    return configure(database, tracer_provider=provider)


class Secretive:
    """A pool that has the secret in each of its names."""

    pool_type = f"pool {SECRET}"
    pool_id = SECRET
    worker_id = f"worker-{SECRET}"


def test_no_field_of_a_task_or_a_result_keeps_a_secret(hosted, exporter):
    """Ids, types, names and texts, on spans and in the table."""
    texts = {
        name: f"{name} {SECRET}"
        for name in ("task_type", "prompt", "repo", "model_tier", "swarm_topology", "metadata", "complexity_score")
    }

    class Pool(Secretive):
        @record_execution
        def execute_task(self, task):
            current_execution().set(model=f"model {SECRET}")
            return {
                "status": "failed",
                "error": SECRET,
                "solution_summary": SECRET,
                "worker_id": SECRET,
                "pool_id": SECRET,
            }

    Pool().execute_task({**texts, "task_id": SECRET})

    assert SECRET not in everything(exporter, hosted)
    (row,) = hosted.query("SELECT * FROM executions")
    assert row["task_type"] == f"task_type {MARKER}"
    assert (row["model_tier"], row["model"]) == (f"model_tier {MARKER}", f"model {MARKER}")
    assert (row["pool_type"], row["error_message"]) == (f"pool {MARKER}", MARKER)


def test_id_that_holds_a_secret_counts_as_missing(hosted):
    """So that rows do not share one: a new id, or NULL, and named as such."""

    class Pool(Secretive):
        @record_execution
        def execute_task(self, task):
            return None

    for _ in range(2):
        Pool().execute_task({"task_id": SECRET})

    first, second = hosted.query("SELECT * FROM executions")
    assert uuid.UUID(first["task_id"]) != uuid.UUID(second["task_id"])
    assert (first["pool_id"], first["worker_id"]) == (None, None)
    assert {"task_id", "pool_id", "worker_id"} <= set(json.loads(first["defaulted"]))
    assert json.loads(first["metadata"])["invalid"] == {
        "task_id": MARKER,
        "pool_id": MARKER,
        "worker_id": f"worker-{MARKER}",
    }


def test_names_of_code_keep_no_secret(hosted, exporter, caplog):
    """Classes of pools and exceptions, functions, threads, columns and hooks."""
    failure = type(SECRET, (Exception,), {"__module__": SECRET})

    def raising(task):
        current_execution().set(**{SECRET: 1})
        raise failure

    def hook(span, instance, task):
        span.set_attribute("mine", f"a {SECRET}")
        raise ValueError

    raising.__qualname__ = SECRET
    hook.__qualname__ = SECRET
    pool = type(SECRET, (), {"execute_task": record_execution(request_hook=hook)(lambda self, task: raising(task))})

    with pytest.raises(failure):
        pool().execute_task({})
    with pytest.raises(failure):
        record_execution(response_hook=lambda span, *_: span.set_attribute("mine", SECRET))(raising)({})

    assert SECRET not in everything(exporter, hosted)
    assert SECRET not in "".join(record.getMessage() for record in caplog.records)


def test_adapters_keep_no_secret(hosted, exporter):
    """The name of a thread is the worker's id, that of a function the task's type."""
    PoolInstrumentor().instrument(targets="concurrent.futures")
    try:

        def run(task):
            return None

        run.__qualname__ = SECRET
        with ThreadPoolExecutor(1, thread_name_prefix=SECRET) as pool:
            pool.submit(run, {}).result()
    finally:
        PoolInstrumentor().uninstrument()

    (row,) = hosted.query("SELECT * FROM executions")
    assert row["worker_id"] is None
    assert "worker_id" in json.loads(row["defaulted"])
    assert SECRET not in everything(exporter, hosted)


def test_metrics_keep_no_secret(database):
    """Their attributes are those of the spans."""
    reader = InMemoryMetricReader()
    configure(database, meter_provider=MeterProvider([reader]))
    record_execution(pool_type=SECRET)(lambda task: None)({"task_type": SECRET, "model_tier": SECRET})

    found = reader.get_metrics_data().to_json()
    assert "learning_instrument" in found
    assert SECRET not in found


def test_model_calls_keep_no_secret(hosted, exporter):
    """Models, providers and errors."""

    @record_execution
    def run(task):
        tracer = trace.get_tracer("client", tracer_provider=None)
        with tracer.start_as_current_span("chat") as span:
            names = ("request.model", "response.model", "provider.name", "operation.name")
            span.set_attributes({f"gen_ai.{name}": f"x {SECRET}" for name in names} | {"gen_ai.operation.name": "chat"})
            span.set_attribute("error.type", SECRET)

    trace._TRACER_PROVIDER = None
    run({})
    hosted.flush()

    assert SECRET not in repr(hosted.query("SELECT * FROM model_calls"))


def test_records_of_the_user_keep_no_secret(database):
    """Those appended directly; what cannot hold one is as it was."""
    record = ExecutionRecord(
        **dict.fromkeys(("task_id", "task_type", "task_description", "worker_id", "service_name"), f"a {SECRET}"),
        execution_id=SECRET,
        metadata={"password": "hunter2", "list": [SECRET, 1], SECRET: None},
    )
    plain = ExecutionRecord(task_type="review", task_id="t1", metadata={"a": 1})
    database.append([record, plain])

    first, second = database.query("SELECT * FROM executions ORDER BY rowid")
    assert SECRET not in repr(first)
    assert json.loads(first["metadata"]) == {"password": MARKER, "list": [MARKER, 1], MARKER: None}
    assert first["worker_id"] is None
    assert {"task_id", "worker_id", "execution_id"} <= set(json.loads(first["defaulted"]))
    assert ExecutionRecord.from_dict(second) == plain


def test_imported_rows_keep_no_secret(database, tmp_path):
    """An import of a file that an older release wrote."""
    database.append([ExecutionRecord(task_type="review", task_id="t1", metadata={"a": 1})])
    file = tmp_path / "old.jsonl"
    export_executions(database, file)
    row = json.loads(file.read_text())
    row |= {
        "execution_id": SECRET,
        "task_id": SECRET,
        "task_type": SECRET,
        "error_message": SECRET,
        "metadata": {"a": SECRET},
    }
    file.write_text(json.dumps(row))

    answers = [import_executions(database, [file]) for _ in range(2)]

    assert [answer.stored for answer in answers] == [1, 0]
    found = database.query("SELECT * FROM executions WHERE task_type != 'review'")
    assert len(found) == 1
    assert SECRET not in repr(found)


def test_feedback_keeps_no_secret(database):
    """Neither its comment nor its source."""
    database.append([ExecutionRecord(task_type="review", task_id="t1")])
    database.add_feedback("t1", rating=5, comment=f"a {SECRET}", source=f"b {SECRET}")

    assert SECRET not in repr(database.query("SELECT * FROM feedback"))


# The user's own rules.


def test_own_patterns_are_applied_after_ours(database, provider, exporter):
    """To each text, short ones as well."""
    configure(database, tracer_provider=provider, redact=[r"\bSmith\b", re.compile("leeds", re.I)])
    record_execution(lambda task: {"status": "failed", "error": "Smith"})(
        {"prompt": PROMPT, "task_type": "Smith", "task_id": "Smith", "metadata": {"Leeds": ["Smith"], "a": SECRET}}
    )

    found = everything(exporter, database)
    assert "Smith" not in found
    assert "Leeds" not in found
    assert SECRET not in found
    (row,) = database.query("SELECT * FROM executions")
    assert (row["task_type"], row["error_message"]) == (MARKER, MARKER)
    assert row["task_description"].startswith(f"Mr {MARKER} of {MARKER} asks")


def test_own_function_that_fails_hides_the_text(database, caplog):
    """Whatever it raises or returns; one warning, without the text."""

    def redact(text):
        if "Smith" in text:
            raise SystemExit(text)
        return 5

    configure(database, redact=redact)
    for _ in range(2):
        assert record_execution(lambda task: 7)({"prompt": PROMPT, "task_type": "review"}) == 7

    rows = database.query("SELECT task_type, task_description FROM executions")
    assert rows == [{"task_type": MARKER, "task_description": MARKER}] * 2
    assert "Smith" not in caplog.text
    assert [record.levelno for record in caplog.records if "redact" in record.getMessage()] in (
        [logging.WARNING],
        [logging.WARNING] * 2,  # one for each kind of failure
    )


def test_own_function_that_records_itself_ends(database):
    """It is not called for its own texts."""

    def redact(text):
        inner({"prompt": "short"})
        return text

    inner = record_execution(lambda task: None)
    configure(database, redact=redact)
    record_execution(lambda task: None)({"prompt": "a prompt"})

    assert {row["task_description"] for row in database.query("SELECT task_description FROM executions")} == {
        "a prompt",
        MARKER,
    }


def test_own_function_runs_under_no_lock_of_the_store(database):
    """It may ask the database, from another thread even."""

    def redact(text):
        asked = threading.Thread(target=lambda: database.query("SELECT count(*) FROM executions"))
        asked.start()
        asked.join(20)
        assert not asked.is_alive()
        return text.replace("Smith", "N.N.")

    configure(database, redact=redact)
    record_execution(lambda task: None)({"prompt": PROMPT})
    database.append([ExecutionRecord(task_type="Smith")])

    assert "Smith" not in repr(database.query("SELECT * FROM executions"))
    assert MARKER not in repr(database.query("SELECT task_description FROM executions"))


def without_smith(text):
    """Define a rule at the top of a module, so that it pickles."""
    return text.replace("Smith", "N.N.")


def ask(task):
    return {"status": "failed", "error": task["prompt"]}


@pytest.mark.slow
@pytest.mark.parametrize("redact", [without_smith, "Smith", lambda text: text.replace("Smith", "")])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_own_rules_are_applied_in_the_processes_of_a_pool(tmp_path, method, redact):
    """A function that does not pickle hides every text in spawned ones."""
    database = configure(tmp_path / "learning.db", redact=redact)
    PoolInstrumentor().instrument(targets="concurrent.futures")
    try:
        with ProcessPoolExecutor(1, mp_context=get_context(method)) as pool:
            pool.submit(ask, {"prompt": PROMPT}).result(60)
    finally:
        PoolInstrumentor().uninstrument()

    (row,) = database.query("SELECT * FROM executions")
    assert "Smith" not in repr(row)
    if redact is not without_smith and not isinstance(redact, str) and method == "spawn":
        assert row["task_description"] == MARKER
    else:
        assert "Leeds" in row["task_description"]


# Without contents.


def asked(database, task, result=None, raised=None, **options):
    """Record one execution without contents; return its row."""

    def execute_task(task):
        if raised is not None:
            raise raised
        return result

    with contextlib.suppress(ValueError, KeyError, ConnectionError):
        record_execution(capture_content=False, **options)(execute_task)(task)
    return database.query("SELECT * FROM executions ORDER BY rowid DESC LIMIT 1")[0]


def test_messages_do_not_repeat_the_task(hosted, exporter, subtests):
    """Raised or returned, quoted or not, whole or in part, on span and status and event as well."""
    task = {
        "task_type": "support",
        "prompt": PROMPT,
        "metadata": {"note": "call Dr Watson at noon"},
        "complexity_score": PROMPT,
    }
    for told in (
        PROMPT,
        repr(PROMPT),
        f"cannot do: {PROMPT}",
        "bad customer Mr Smith of Leeds",
        "no Leeds here",
        f"{{'p': '{PROMPT}'}}",
    ):
        for ending in (
            {"raised": ValueError(told)},
            {"result": {"status": "failed", "error": told}},
            {"raised": KeyError(told)},
        ):
            with subtests.test(told=told, ending=ending):
                exporter.clear()
                row = asked(hosted, task, **ending)

                assert row["task_description"] == ""
                found = everything(exporter, hosted)
                assert not [word for word in ("Smith", "Leeds", "pounds", "Watson") if word in found]


def test_message_keeps_its_template(hosted):
    """And its class; what comes of no person stays."""
    row = asked(
        hosted,
        {"prompt": PROMPT},
        raised=ConnectionError("cannot reach 'db.example' after 3 tries: connection refused"),
    )

    assert row["exception_type"] == "ConnectionError"
    assert row["error_message"] == "cannot reach <TEXT> after <N> tries: connection refused"
    assert asked(hosted, {"prompt": PROMPT}, {"status": "failed"})["error_message"] == "failed"


def test_words_of_the_task_are_masked_in_a_message():
    """In runs of two and more; alone, if they are names or numbers."""
    assert message_without("could not open the file", ["open the door"]) == "could not <TEXT> file"
    assert message_without("Smith is unknown, as is B7", ["Smith has B7"]) == "<TEXT> is unknown, as is <TEXT>"
    assert message_without("cannot review it", ["review"]) == "cannot <TEXT> it"
    assert message_without("out of memory", ["Mr Smith"]) == "out of memory"


def test_a_task_that_is_a_password_is_not_shown(hosted):
    """By the name of its parameter, however the function that has it is hidden."""
    password = "hunter2horse"

    def log_in(password):
        return True

    @functools.wraps(log_in)
    def wrapped(*args):
        return log_in(*args)

    class Session:
        def __call__(self, password):
            return True

        def start(self, token):
            return True

    record_execution(log_in)(password)
    record_execution(log_in)(password=password)
    PoolInstrumentor().instrument(targets="concurrent.futures")
    try:
        with ThreadPoolExecutor() as executor:
            for function in (log_in, wrapped, Session(), Session().start, functools.partial(log_in)):
                executor.submit(function, password).result()
            executor.submit(Session.start, Session(), password).result()
    finally:
        PoolInstrumentor().uninstrument()
    rows = hosted.query("SELECT task_description FROM executions")

    assert [row["task_description"] for row in rows] == [*[MARKER] * 7, f'"{MARKER}"']


def test_messages_do_not_repeat_an_argument(hosted):
    """Those beside the task are what people wrote, too."""

    @record_execution(capture_content=False)
    def charge(number, customer, *, note):
        raise ValueError(f"no customer called {customer} with the note {note}")

    with pytest.raises(ValueError, match="Quark"):
        charge(1, "Zebulon Quark", note="Owes Money")
    (row,) = hosted.query("SELECT error_message, task_description FROM executions")

    assert row == {"error_message": "no customer called <TEXT> with the note <TEXT>", "task_description": ""}


def test_stack_has_no_source(hosted, exporter):
    """A line of source may hold a text; the place stays."""
    asked(hosted, {}, raised=ValueError("no"))

    (span,) = exporter.get_finished_spans()
    stack = span.events[0].attributes["exception.stacktrace"]
    assert "raise raised" not in stack
    assert re.search(r'File ".*test_contents.py", line \d+, in execute_task', stack)


def test_of_metadata_stay_numbers_and_what_is_named(hosted):
    """By the function or by the configuration."""
    metadata = {
        "kind": "refund",
        "count": 3,
        "is_new": True,
        "note": PROMPT,
        "deep": {"ratio": 0.5, "text": PROMPT},
        "Mr Smith": 1,
    }

    row = asked(hosted, {"metadata": metadata}, keep_metadata=["kind"])
    assert json.loads(row["metadata"])["task"] == {"kind": "refund", "count": 3, "is_new": True, "deep": {"ratio": 0.5}}

    configure(hosted.path, keep_metadata="note")
    row = asked(hosted, {"metadata": metadata})
    assert json.loads(row["metadata"])["task"].keys() == {"count", "is_new", "note", "deep"}
    row = asked(hosted, {"metadata": PROMPT, "task_id": object()})
    assert json.loads(row["metadata"])["invalid"] == {"task_id": "<object>", "metadata": "<str>"}


def test_metadata_that_raises_is_left_out():
    """The mapping is the user's."""

    class Broken(dict):
        def items(self):
            yield "a", 1
            raise SystemExit

    assert metadata_without(Broken(), frozenset()) == {"a": 1}


def test_metadata_of_an_adapter_stays(hosted):
    """It is the library's, and no text of a person."""

    @record_execution(capture_content=False)
    def run(task):
        current_execution().add_metadata({"message_id": "m1"})

    run({"metadata": {"note": PROMPT, "n": 1}})

    (row,) = hosted.query("SELECT * FROM executions")
    assert json.loads(row["metadata"])["task"] == {"message_id": "m1", "n": 1}
