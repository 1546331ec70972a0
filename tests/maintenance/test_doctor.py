"""What goes wrong in practice is found, and has a remedy."""

import contextlib
import contextvars
import os
import sqlite3
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import pytest
from calls import chat, execution, span
from click.testing import CliRunner
from sqlite_utils import Database, Migrations

import learning_instrument
from learning_instrument import ExecutionRecord, SQLiteSpanExporter, record_execution
from learning_instrument.analytics import summary
from learning_instrument.cli import main
from learning_instrument.database import store_of
from learning_instrument.instrumentation import pool_libraries
from learning_instrument.maintenance.doctor import Severity, environment, examine, location
from learning_instrument.maintenance.recovery import recover
from learning_instrument.outcome import Outcome
from learning_instrument.record import row_from_record
from learning_instrument.rollups import catch_up
from learning_instrument.sqlite import schema
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.storage.liveness import this_process
from learning_instrument.storage.spill import SpillFiles
from learning_instrument.storage.statistics import Counters
from learning_instrument.transfer import import_executions

NOW = datetime.now(timezone.utc)


@pytest.fixture
def found(database):
    """Return what is found in ``database``, as check -> finding; notes on the installation are left out."""

    def found(environment=None):
        return {
            finding.check: finding
            for finding in examine(database.path, environment or {})
            if finding.check not in ("provider", "pools")
        }

    database.append([ExecutionRecord(task_type="t", process_id=1)])
    return found


def test_healthy_database_has_no_findings(found):
    assert found() == {}


def test_worst_comes_first_and_all_have_a_remedy(no_file, database):
    findings = examine(database.path, {"OTEL_SDK_DISABLED": "true"})

    severities = list(dict.fromkeys(finding.severity for finding in findings))
    assert severities == [Severity.ERROR, Severity.WARNING, Severity.NOTE]
    assert all(finding.what and finding.remedy for finding in findings)


def test_examining_makes_no_file(no_file, database, tmp_path):
    examine(database.path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "check", "severity"),
    [
        ({"OTEL_SDK_DISABLED": "true"}, "disabled", Severity.ERROR),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "flask, learning_instrument"}, "disabled", Severity.ERROR),
        ({"LEARNING_INSTRUMENT_DURABILITY": "sometimes"}, "durability", Severity.ERROR),
        ({"LEARNING_INSTRUMENT_RETENTION_DAYS": "week"}, "limits", Severity.ERROR),
        ({"LEARNING_INSTRUMENT_MAX_SIZE": "1"}, "limits", Severity.ERROR),
        ({"LEARNING_INSTRUMENT_BUDGET": "1/week"}, "limits", Severity.ERROR),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}, "sampler", Severity.NOTE),
    ],
)
def test_environment_that_keeps_things_out(found, environment, check, severity):
    assert found(environment)[check].severity is severity


def test_pool_libraries_that_are_installed_are_named(monkeypatch):
    """Those without adapter, and those whose adapter is not named; not what a target or the default covers."""
    installed = {"ray", "celery", "dramatiq", "luigi", "mahavishnu"}

    def pools(**variables):
        found = environment.examine_environment(variables)
        return [finding.what for finding in found if finding.check == "pools"]

    monkeypatch.setattr(pool_libraries, "is_installed", lambda name, module: name in installed)
    without = "No adapter covers luigi, ray, installed here: their tasks are not recorded by themselves."

    assert pools() == [
        without,
        "celery, dramatiq, installed here, have adapters that LEARNING_INSTRUMENT_POOLS does not name.",
    ]
    assert pools(LEARNING_INSTRUMENT_POOLS="celery, shop:Pool") == [
        without,
        "dramatiq, installed here, has an adapter that LEARNING_INSTRUMENT_POOLS does not name.",
    ]
    assert pools(LEARNING_INSTRUMENT_POOLS="auto") == [without]
    installed.clear()
    assert pools() == []


def test_exporter_that_ends_all_instrumentation(monkeypatch, subtests):
    """Where a distribution reads the variables."""
    for chosen, expected in [
        ({}, []),
        ({"OTEL_TRACES_EXPORTER": "learning_sqlite"}, []),
        ({"OTEL_TRACES_EXPORTER": "none"}, []),
        ({"OTEL_TRACES_EXPORTER": "learning_sqlite,otlp"}, []),
        ({"OTEL_TRACES_EXPORTER": "learning_sqlite,nope"}, ["'nope'"]),
        ({"OTEL_TRACES_EXPORTER": "learning_sqlite,"}, ["''"]),
        ({"OTEL_METRICS_EXPORTER": "nope", "OTEL_LOGS_EXPORTER": "nope"}, ["'nope'", "'nope'"]),
        ({"OTEL_TRACES_EXPORTER": "nope", "OTEL_CONFIG_FILE": "otel.yaml"}, []),
    ]:
        with subtests.test(chosen=chosen, expected=expected):
            monkeypatch.setattr(environment.otlp, "has_configurator", lambda: True)

            findings = [finding for finding in environment.examine_environment(chosen) if finding.check == "exporters"]

            assert [finding.severity for finding in findings] == [Severity.ERROR] * len(expected)
            assert all(name in finding.what for name, finding in zip(expected, findings, strict=True))


def test_source_tree_that_is_not_installed(tmp_path):
    """Has no entry points, which opentelemetry-instrument goes by."""
    root = os.path.dirname(os.path.dirname(learning_instrument.__file__))
    program = (
        "import importlib.metadata as m, sys; real = m.entry_points\n"
        "m.entry_points = lambda **k: () if k.get('name', '').startswith('learning_') else real(**k)\n"
        "from learning_instrument.maintenance.doctor import examine\n"
        "print(*[finding.check for finding in examine(sys.argv[1], {})], sep=',')"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "x.db")], capture_output=True, text=True, check=True, cwd=root
    )

    assert done.stdout.split(",")[:2] == ["entry points", "entry points"]


def test_losses_and_their_reasons(found, database):
    store_of(database).count_lost("queue full", 7)
    database.append([ExecutionRecord(task_type="t")])

    assert found()["records lost"].what.startswith("7 executions were not recorded (queue full)")


def test_lost_model_calls_are_called_model_calls(found, database, caplog):
    """In the log as well."""
    store_of(database)._counts.lose("model calls, unreadable", None, 3)
    database.append([ExecutionRecord(task_type="t")])

    assert found()["records lost"].what.startswith("3 model calls were not recorded (model calls, unreadable)")
    assert "model calls are lost (model calls, unreadable)" in caplog.text


@pytest.mark.parametrize(
    ("values", "check"),
    [
        ({"outcome": Outcome.LOST}, "lost executions"),
        ({"timestamp": NOW + timedelta(hours=2)}, "clock"),
        ({"cost_source": "unpriced", "model": "new-model"}, "unpriced models"),
    ],
)
def test_executions_that_show_what_is_wrong(found, database, values, check):
    database.append([ExecutionRecord(task_type="t", **values)])

    assert list(found()) == [check]


def test_pools_that_return_bools_are_named(found, database):
    """With the remedy: a bool may be a verdict or an answer, and only the application knows."""
    results = {"checks": [True, False, True], "lookups": [True], "jobs": [{"success": False}, None, "text", (False, 1)]}
    for pool_type, returned in results.items():
        run = record_execution(lambda task: task["result"], pool_type=pool_type, learning_db=database)
        for result in returned:
            run({"result": result, "metadata": {"returned": True}})
    judged = record_execution(lambda task: False, pool_type="judged", learning_db=database, success_when=bool)
    judged({})

    (row,) = database.query("SELECT count(*) AS count FROM executions WHERE outcome_source = 'assumed'")
    assert row["count"] == 7
    findings = [finding for finding in examine(database.path) if finding.check == "bare bools"]
    assert [(finding.severity, finding.what.split(";")[0]) for finding in findings] == [
        (Severity.WARNING, "3 executions of the pool checks returned a bool, 1 of them False"),
        (Severity.NOTE, "1 execution of the pool lookups returned a bool, 0 of them False"),
    ]
    assert all("success_when=bool" in finding.remedy for finding in findings)


def test_fields_that_find_nothing_are_named(found, database, caplog):
    """A path that no execution has, whatever process recorded them; a function that raises, from the first time."""

    def broken(pool, task, result):
        raise KeyError("cost")

    def record(**fields):
        for number in range(10):
            run = record_execution(lambda task: task, pool_type="p", fields=fields, learning_db=database)
            run({"kind": "k", **({"input_tokens": 3} if number % 3 == 0 else {})})

    record(task_type="kindd", input_tokens="kindd.deep", model="kind")
    assert "fields" not in found()
    record(task_type="kindd", actual_cost=broken, output_tokens="input_tokens")

    findings = [finding for finding in examine(database.path) if finding.check == "fields"]
    assert [(finding.severity, finding.what.partition(", the last at")[0]) for finding in findings] == [
        (Severity.WARNING, "fields['task_type'] found nothing in 20 executions of the pool p"),
        (Severity.WARNING, "fields['actual_cost'] in 10 executions of the pool p"),
    ]
    assert findings[0].what.endswith(": kindd.")
    assert findings[1].what.endswith(".broken raised KeyError.")


def test_model_without_a_price_is_named_by_its_calls(found, database):
    """The execution itself bears the name of the model that took the most tokens."""
    spans = [execution(1), chat(2, 1, model="house", tokens=(900, 2)), chat(3, 1, model="barn")]
    SQLiteSpanExporter(database).export(spans)
    database.flush()
    database.append([ExecutionRecord(task_type="t", cost_source="unpriced", model="by hand")])

    assert found()["unpriced models"].what == (
        "2 executions have an unknown cost (unpriced): models without a price: barn (1), by hand (1), house (1)."
    )


def test_unknown_costs_are_those_of_the_summary(found, database):
    """However many spans tell of a call; each with the commonest of what is missing."""
    ours = "gpt-4o-mini"
    nothing = {"tokens": None}
    cases = [
        # whole: one span knows the model and the tokens, the other nothing
        [chat(2, 1, model=ours, tokens=(900, 50), cost=0.1), chat(3, 2, model=None, **nothing)],
        [chat(2, 1, cost=0.25)],
        # not reported: the calls raised, and used nothing
        [chat(n, 1, model="raised", **nothing, **{"error.type": "RateLimitError"}) for n in (2, 3)],
        # unknown
        [chat(2, 1, model="house")],
        [chat(2, 1, model="house"), chat(3, 1, model="house", **nothing)],
        [chat(2, 1, model=ours, **nothing)],
        [chat(2, 1, model=ours, tokens=(0, 0))],
        [chat(2, 1, model="o1", **{"openai.response.service_tier": "flex"})],
        # lower bounds
        [chat(2, 1, cost=0.25), chat(3, 1, model="barn")],
        [chat(2, 1, cost=0.25), chat(3, 1, model="barn", tokens=(7, 7))],
        [chat(2, 1, model=ours, tokens=(900, 1))],
    ]
    spans = [each for n, told in enumerate(cases, 1) for each in (execution(1, trace_id=n), *moved(told, n))]
    estimated = execution(1, trace_id=99, COST_ACTUAL=0.5)
    SQLiteSpanExporter(database).export([*spans, estimated, *moved([chat(2, 1, model="house")], 99)])
    database.flush()
    database.append([ExecutionRecord(task_type="t", cost_source="partial", actual_cost=1.0)])

    answer, findings = summary(database), found()

    assert (answer.unpriced, answer.partial) == (5, 4)
    assert findings["unpriced models"].what == (
        "5 executions have an unknown cost (unpriced): calls without usage: gpt-4o-mini (2); models without a price:"
        " house (2); service tiers without a price: o1 (1)."
    )
    assert findings["partial costs"].what == (
        "Of the cost of 4 executions only a lower bound is known (partial): models without a price: barn (2);"
        " calls that are not here: unknown (1); streams that broke off: gpt-4o-mini (1)."
    )
    assert findings["estimated costs"].what == (
        "Costs are what the pool said (estimated) where those of calls are unknown: models without a price: house (1)."
    )
    assert all("prices" in findings[name].remedy for name in ("unpriced models", "partial costs", "estimated costs"))


def moved(told, trace_id):
    """Return the spans in another trace."""
    return [span(each.context.span_id, each.parent.span_id, each.attributes, trace_id=trace_id) for each in told]


def test_many_models_without_a_price_are_counted_whole(found, database):
    """The most frequent are named."""
    records = [ExecutionRecord(task_type="t", cost_source="unpriced", model=f"m{n % 9}") for n in range(30)]
    database.append(records)

    what = found()["unpriced models"].what
    assert what.startswith("30 executions have an unknown cost (unpriced): models without a price: m0 (4), m1 (4)")
    assert what.endswith("m4 (3), and others.")


def test_spans_that_are_not_understood_are_named(found, database):
    """Of traces with an execution."""
    strange = {"gen_ai.operation.name": "muse", "gen_ai.request.model": "m"}
    nameless = {"gen_ai.request.model": "m", "gen_ai.request.temperature": 1.0}
    SQLiteSpanExporter(database).export([execution(1), span(2, 1, strange), span(3, 1, strange), span(4, 1, nameless)])
    database.flush()

    finding = found()["unknown spans"]

    assert finding.severity is Severity.WARNING
    assert finding.what == (
        "Spans that look like model calls were not understood, so their tokens and costs are missing:"
        " other.library: muse (2), other.library: no operation (1)."
    )


def install(folder, name, version):
    (folder / f"{name.replace('-', '_')}-{version}.dist-info").mkdir()
    (folder / f"{name.replace('-', '_')}-{version}.dist-info" / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )


@pytest.mark.parametrize("said", [{"model": "gpt-4o"}, {"model_tier": "large"}])
def test_clients_are_named_where_no_model_call_ever_came(found, database, tmp_path, monkeypatch, said):
    """Those that are installed, by their metadata alone, each with the line that switches its spans on."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *[p for p in sys.path if "site-packages" not in p]])
    database.append([ExecutionRecord(task_type="t", **said)])
    assert "None of the clients known is installed" in found()["no model calls"].remedy

    for name, version in (
        ("openai", "3.57.0"), ("litellm", "1.110.0"), ("openinference-instrumentation-litellm", "0.1.51"),
        ("pydantic-ai-slim", "2.68.0"), ("anthropic", "2.14.0"),
    ):  # fmt: skip
        install(tmp_path, name, version)

    finding = found()["no model calls"]

    assert finding.severity is Severity.NOTE
    assert "Installed here: OpenAI 3.57.0; Anthropic 2.14.0; litellm 1.110.0; pydantic-ai 2.68.0." in finding.what
    assert (
        "OpenAI: pip install openinference-instrumentation-openai, then OpenAIInstrumentor().instrument() (from"
        " openinference.instrumentation.openai); Anthropic: nothing to do" in finding.remedy
    )
    assert "litellm: LiteLLMInstrumentor().instrument() (from openinference.instrumentation.litellm)" in finding.remedy
    assert "pydantic-ai: Agent.instrument_all() (from pydantic_ai)." in finding.remedy


@pytest.mark.parametrize("came", [False, True])
def test_clients_are_not_named_where_calls_came_or_nothing_says_model(found, database, came):
    """Nor where executions came with the costs of their calls, from a file."""
    if came:
        SQLiteSpanExporter(database).export([execution(1), chat(2, 1, cost=0.25)])
        database.flush()
    else:
        database.append([ExecutionRecord(task_type="t", model="m", cost_source="priced", actual_cost=1.0)])

    assert "no model calls" not in found()


def test_costs_of_an_older_file_are_left_alone(database, tmp_path):
    """Of any schema: another finding says that it is older."""
    for version in range(1, schema.VERSION):
        path = str(tmp_path / f"{version}.db")
        connection = sqlite3.connect(path)
        migrations = Migrations("learning_instrument")
        for step in schema.STEPS[:version]:
            migrations()(step)
        migrations.apply(Database(connection))
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute(
            "INSERT INTO executions (execution_id, task_id, timestamp, task_type, success, duration_seconds, outcome,"
            " metadata, defaulted, cost_source, model) VALUES ('x', 't', ?, 't', 1, 1.0, 'succeeded', '{}', '[]',"
            " 'unpriced', 'house')",
            (NOW.isoformat(),),
        )
        connection.commit()
        connection.close()

        checks = [finding.check for finding in examine(path, {})]

        assert "schema" in checks
        assert not {"database", "checks"} & set(checks), version


def test_clock_that_went_backwards(found, database):
    """Within one process: rows of others, imported ones among them, come as they may."""
    for process_id, ago in ((2, 100), (3, 9000), (2, 50)):
        database.append([ExecutionRecord(task_type="t", process_id=process_id, timestamp=NOW - timedelta(seconds=ago))])
    waited = {"timestamp": NOW - timedelta(seconds=1000), "wait_seconds": 950, "process_id": 2}
    database.append([ExecutionRecord(task_type="t", **waited)])
    assert found() == {}

    database.append([ExecutionRecord(task_type="t", process_id=2, timestamp=NOW - timedelta(seconds=650))])

    assert "backwards once while" in found()["clock"].what
    assert "up to 600 s" in found()["clock"].what


def test_pool_without_types_or_descriptions_is_told_what_its_tasks_have(found, database):
    """Where no execution of it has any, by the names that its tasks have most often."""
    crawl = record_execution(learning_db=database, pool_type="crawlers")(lambda task: None)
    for number in range(200):
        crawl({"colour": "red", "aim": "fetch", **({"rare": 1} if number % 2 else {})})
    read = record_execution(learning_db=database, pool_type="readers")(lambda task: None)
    read({"task_type": "t", "wording": "a"})
    read({"prompt": "p", "wording": "b"})
    write = record_execution(learning_db=database, pool_type="writers")(lambda task: None)
    write({"task_type": "t", "wording": "a"})
    database.flush()

    anonymous = [
        (finding.what, finding.remedy) for finding in examine(database.path, {}) if finding.check == "anonymous tasks"
    ]

    assert anonymous == [
        (
            "200 of 200 executions of the pool crawlers have no task_type and no task_description; their tasks have"
            " aim, colour, rare.",
            "If one of these says it, name it: fields={'task_type': 'aim'}, for example.",
        ),
        (
            "1 of 1 execution of the pool writers has no task_description; their tasks have wording.",
            "If one of these says it, name it: fields={'task_description': 'wording'}, for example.",
        ),
    ]


def run_of(begin, end, **more):
    """Return an execution of one task that began and ended so many seconds after a moment."""
    seconds = {"timestamp": NOW - timedelta(seconds=100 - begin), "duration_seconds": end - begin}
    return ExecutionRecord(**{"task_type": "t", "task_id": "same", **seconds, **more})


@pytest.mark.parametrize(("begin", "end"), [(0, 10), (1, 9), (0, 3), (7, 10), (10, 10)])
def test_execution_within_another_of_the_same_task(found, database, begin, end):
    """One run that a pool and its caller tell of."""
    outer = run_of(0, 2, wait_seconds=8)
    inner = run_of(begin, end, parent_execution_id=outer.execution_id)
    database.append([outer, inner, run_of(1, 2, task_id="other", parent_execution_id=outer.execution_id)])

    assert found()["duplicate instrumentation"].what.startswith("1 execution stands within another")


def test_call_just_within_another_is_found_wherever_in_a_millisecond_it_begins(found, database):
    """SQLite's own times are rounded to it."""
    for microsecond in range(1000):
        moment = datetime(2026, 11, 22, 10, tzinfo=timezone.utc) + timedelta(microseconds=microsecond)
        outer = run_of(0, 0.01, timestamp=moment)
        inner = {"timestamp": moment + timedelta(microseconds=50), "parent_execution_id": outer.execution_id}
        database.append([outer, run_of(0, 0.0099, **inner)])

    assert found()["duplicate instrumentation"].what.startswith("1,000 executions stand within another")


@pytest.mark.parametrize(("begin", "end"), [(10.01, 12), (9.9, 12), (60, 61), (-5, 3)])
def test_execution_after_another_of_the_same_task_is_no_duplicate(found, database, begin, end):
    """A retry, or the next stage: sent by the one before, it begins when that ends, or shortly before."""
    first = run_of(0, 10)
    second = run_of(begin, end, parent_execution_id=first.execution_id)
    third = run_of(end, end + 10, parent_execution_id=second.execution_id)
    database.append([first, second, third])

    assert found() == {}


def test_retry_within_the_first_attempt_is_no_duplicate(found, database):
    """As celery's eager tasks do."""
    first = run_of(0, 10, attempt=1)
    database.append([first, run_of(2, 9, attempt=2, parent_execution_id=first.execution_id)])

    assert found() == {}


def test_library_function_that_hides_failures_is_named(found, database):
    """A thousand successes of it, and no failure."""
    hides = [ExecutionRecord(task_type="t", function_name="huey.api.Huey._execute") for _ in range(999)]
    others = [ExecutionRecord(task_type="t", function_name="shop.Pool.execute_task") for _ in range(1000)]
    database.append([*hides, *others])
    assert found() == {}

    database.append([ExecutionRecord(task_type="t", function_name="huey.api.Huey._execute")])
    finding = found()["hidden failures"]
    assert finding.what.startswith("All 1,000 executions of huey.api.Huey._execute succeeded: it returns where")
    assert finding.remedy == "Name the adapter huey instead."

    failed = {"function_name": "huey.api.Huey._execute", "outcome": Outcome.FAILED}
    database.append([ExecutionRecord(task_type="t", **failed)])
    assert found() == {}


def test_call_recorded_twice_is_found_and_its_retry_is_not(found, database):
    """By real calls; the retry is sent from within the first, and runs after it."""

    @record_execution(learning_db=database)
    def execute_task(task):
        time.sleep(0.01)

    @record_execution(learning_db=database)
    def outer(task):
        execute_task(task)

    @record_execution(learning_db=database)
    def first(task):
        sent.append(contextvars.copy_context())

    sent = []
    first({"task_id": "retried"})
    sent[0].run(execute_task, {"task_id": "retried"})
    assert found() == {}

    outer({"task_id": "twice"})
    assert found()["duplicate instrumentation"].what.startswith("1 execution stands within another")


def test_ledger_of_running_executions(found, database):
    """Those of a process that is gone are lost; ours goes on."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    ours = this_process()
    store_of(database).transact(
        lambda execute: [
            *(
                execute(
                    "INSERT INTO running (execution_id, process_id, host, process, started, heartbeat, record)"
                    " VALUES (hex(randomblob(8)), ?, ?, ?, '', ?, '{}')",
                    row,
                )
                for row in (
                    (ours.process_id, ours.host, ours.identity, NOW.isoformat()),
                    (gone.pid, ours.host, ours.identity, NOW.isoformat()),
                )
            ),
        ]
    )

    assert found()["running"].what == "1 execution is running now."
    assert found()["lost executions"].what == ("1 execution is still marked as running, but its process is dead.")


@pytest.mark.parametrize(
    ("column", "value"), [("process_id", "many"), ("process", b"\xff"), ("heartbeat", "today"), ("heartbeat", 7)]
)
def test_garbage_in_the_ledger_is_counted(found, database, column, value):
    """And keeps nothing else from being found."""
    entry = {**dict.fromkeys(("execution_id", "host", "process", "started", "record"), "x"), "process_id": 1}
    entry |= {"heartbeat": NOW.isoformat(), column: value}
    names = ", ".join(entry)
    database._store.transact(
        lambda execute: execute(f"INSERT INTO running ({names}) VALUES (:{', :'.join(entry)})", entry)
    )

    assert "has 1 unreadable entry" in found()["running"].what


def test_flipped_bit_in_an_index_is_found(database, tmp_path):
    """SQLite answers questions that do not use the index all the same."""
    database.append([ExecutionRecord(task_type="t", task_id=f"task-{n}") for n in range(500)])
    (index,) = database.query("SELECT rootpage FROM sqlite_master WHERE name = 'idx_executions_timestamp'")
    start = (index["rootpage"] - 1) * 4096
    database.close()
    data = bytearray((tmp_path / os.path.basename(database.path)).read_bytes())
    data[data.index(b"20", start, start + 4096)] ^= 1
    with open(database.path, "wb") as file:
        file.write(data)

    findings = {finding.check: finding for finding in examine(database.path, {})}
    assert findings["damaged"].severity is Severity.ERROR


def test_older_schema(found, database):
    store_of(database).transact(lambda execute: execute("PRAGMA user_version = 1"))

    assert found()["schema"].severity is Severity.WARNING


def test_newer_schema(found, database):
    """One that this release may write."""
    change = f"PRAGMA user_version = {schema.VERSION + 1}"
    store_of(database).transact(lambda execute: execute(change))

    assert found()["schema"].severity is Severity.NOTE


def test_file_that_others_can_read(found, database):
    os.chmod(database.path, 0o644)

    assert found()["readable by others"].remedy == f"chmod 600 {database.path}"


def test_rows_that_wait_in_spill_files(found, database, tmp_path):
    """With their number; a file that was set aside is another finding."""
    database.close()  # open, it would take them in
    row = row_from_record(ExecutionRecord(task_type="t"))
    SpillFiles(database.path, None, Counters(database.path)).write([row, row])

    assert "2 executions wait in 1 spill files" in found()["spill files"].what

    (tmp_path / f"learning.db.spill-1-{'0' * 16}").write_text("garbage")
    database.open()
    assert "1 spill files" in found()["spill files"].what
    assert "unreadable" in found()["spill files"].what


def test_log_that_grew(found, database):
    database.close()
    with open(f"{database.path}-wal", "wb") as log:
        log.truncate(100_000_000)

    assert "100 MB" in found()["write-ahead log"].what


def test_file_that_is_no_database(tmp_path):
    (tmp_path / "x.db").write_text("no database\n" * 1000)

    (tmp_path / "x.db").chmod(0o644)

    checks = [finding.check for finding in examine(str(tmp_path / "x.db"), {})]

    assert "database" in checks
    assert "readable by others" not in checks


def test_cut_copy_can_be_recovered(found, database, tmp_path):
    """A copy that ended early; not without any schema, for then nothing can be read."""
    remedies = []
    for rows in (0, 1500):
        database.append([ExecutionRecord(task_type="t", task_description="x" * 500) for _ in range(rows)])
        database.close()
        cut = tmp_path / f"cut-{rows}.db"
        with open(database.path, "rb") as file:
            cut.write_bytes(file.read(os.path.getsize(database.path) // 2))
        worst = examine(str(cut), {})[0]
        assert worst.severity is Severity.ERROR
        remedies.append((worst.remedy.split(" ")[1], sum(each.executions for each in recover(cut)) > 100))

    assert remedies == [("another", False), ("recover", True)]


@pytest.mark.parametrize(
    ("table", "column", "value", "told"),
    [
        ("executions", "timestamp", b"\xff", "timestamp (1)"),
        ("executions", "timestamp", "2026-11-22T10:00:00", "timestamp (1)"),
        ("executions", "timestamp", "0001-01-01T00:00:00+14:00", "timestamp (1)"),
        ("executions", "timestamp", "9999-12-31T23:00:00-14:00", "timestamp (1)"),
        ("executions", "success", 9e999, "success (1)"),
        ("executions", "duration_seconds", 9e999, "duration_seconds (1)"),
        ("executions", "defaulted", "[", "defaulted (1)"),
        ("executions", "defaulted", "[5]", "defaulted (1)"),
        ("losses", "reason", b"\xff", "reason (1)"),
        ("retention_rounds", "announced", b"\xff", "announced (1)"),
    ],
)
def test_garbage_in_a_table_is_found_and_keeps_no_other_check(found, database, table, column, value, told):
    """And what the remedy names takes the other rows."""
    database._store.transact(lambda execute: _fill(execute, table))
    database._store.transact(
        lambda execute: execute(
            f"UPDATE {table} SET {column} = ? WHERE rowid = (SELECT max(rowid) FROM {table})", [value]
        )
    )
    database.append([ExecutionRecord(task_type="late", timestamp=NOW + timedelta(days=3))])
    database.flush()

    finding = found()["values"]
    assert f"The table {table} has values that no question can take, in {told}" in finding.what
    assert f"import {database.path}" in finding.remedy
    assert "clock" in found()
    assert import_executions(f"{database.path}.new", [database.path]).stored == 2 - (table == "executions")
    for report in ("summary", "list", "export"):
        done = CliRunner().invoke(main, [report, "--database", database.path])
        assert done.exit_code == 0 or (done.exit_code, done.stderr.count("\n")) == (2, 1), report


def _fill(execute, table):
    """Put a row into *table*, if it has none."""
    if not execute(f"SELECT 1 FROM {table}"):
        columns = [row[1] for row in execute(f"PRAGMA table_info({table})")]
        values = [NOW.isoformat() if name in ("timestamp", "announced", "looked") else 1 for name in columns]
        execute(f"INSERT INTO {table} ({','.join(columns)}) VALUES ({','.join('?' * len(columns))})", values)


def test_first_executions_that_still_run_are_executions(database):
    ours = this_process()
    store_of(database).transact(
        lambda execute: execute(
            "INSERT INTO running (execution_id, process_id, host, process, started, heartbeat, record)"
            " VALUES ('a', ?, ?, ?, '', ?, '{}')",
            (ours.process_id, ours.host, ours.identity, NOW.isoformat()),
        )
    )

    checks = [finding.check for finding in examine(database.path, {})]

    assert "running" in checks
    assert "no executions" not in checks


def test_empty_and_silent_databases(database):
    database.open()
    assert "has no executions" in {f.check: f for f in examine(database.path, {})}["no executions"].what

    database.append([ExecutionRecord(task_type="t", timestamp=NOW - timedelta(days=8))])
    assert "more than 7 days ago" in {f.check: f for f in examine(database.path, {})}["no executions"].what


def test_file_system_is_that_of_the_innermost_mount(subtests):
    for folder, expected in [
        ("/data/x", "nfs4"),
        ("/data", "nfs4"),
        ("/database", "ext4"),
        ("/data/local/y", "xfs"),
        ("/", "ext4"),
    ]:
        with subtests.test(folder=folder, expected=expected):
            mounts = [("/", "rootfs"), ("/", "ext4"), ("/data", "nfs4"), ("/data/local", "xfs")]

            assert location.file_system_of(folder, mounts) == expected


def test_network_file_system_is_an_error(found, database, monkeypatch):
    monkeypatch.setattr(location, "_mounts", lambda: [("/", "nfs4")])

    assert found()["network file system"].severity is Severity.ERROR


def test_rows_that_another_program_replaced(found, database):
    """Without recursive triggers, INSERT OR REPLACE deletes the old row unseen; a rebuild counts anew."""
    database.append(
        [ExecutionRecord(task_type="t", outcome=outcome) for outcome in (Outcome.FAILED, Outcome.SUCCEEDED)]
    )
    database.rebuild_rollups()
    assert "roll-ups" not in found()
    with contextlib.closing(sqlite3.connect(database.path)) as other, other:
        other.execute("CREATE TEMP TABLE copy AS SELECT * FROM executions ORDER BY rowid LIMIT 2")
        other.execute("INSERT OR REPLACE INTO executions SELECT * FROM copy")
    with contextlib.closing(WriteConnection(database.path, 5.0)) as connection:
        while catch_up.advance(connection):
            pass

    assert "count 5 executions for 3 and 2 failures for 1" in found()["roll-ups"].what
    database.rebuild_rollups()
    assert "roll-ups" not in found()


def test_row_that_was_replaced_under_its_number(found, database):
    """The number of rows is the same; their values are not."""
    database.rebuild_rollups()
    with contextlib.closing(sqlite3.connect(database.path)) as other, other:
        other.execute("PRAGMA recursive_triggers = OFF")
        other.execute("CREATE TEMP TABLE copy AS SELECT rowid AS rowid, * FROM executions")
        other.execute("UPDATE copy SET success = 0, execution_id = 'another'")
        names = ", ".join(name for _, name, *_ in other.execute("PRAGMA temp.table_info(copy)"))
        other.execute(f"INSERT OR REPLACE INTO executions ({names}) SELECT {names} FROM copy")
        other.execute("UPDATE rollup_state SET execution_id = 'another'")

    assert "roll-ups" in found()
