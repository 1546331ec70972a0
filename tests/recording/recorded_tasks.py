"""A thousand tasks, and what was recorded of them: rows and exported spans, as ``recorded_tasks.jsonl.gz``.

python -m tests.recording.recorded_tasks    records the tasks of the file anew, with the code as it is

Without the file, the tasks are drawn.

A task is described in JSON, so that the file holds both the task and its record: another release of hypothesis may draw
other tasks.
"""

import asyncio
import collections
import concurrent.futures
import dataclasses
import decimal
import enum
import gzip
import json
import re
import tempfile
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider

from learning_instrument import LearningDatabase, current_execution, record_execution, semconv
from learning_instrument.columns import COLUMNS

FILE = Path(__file__).with_suffix(".jsonl.gz")
COUNT = 1000

Described = dict[str, Any]
"""A task, how it ends, and how it is recorded, in JSON types."""


class Text(str):
    """A text of a class of its own."""


class Number(int):
    """A number of a class of its own."""


class Refused(Exception):
    """What a task of these raises."""


class _Refusing:
    def __getattr__(self, name: str) -> Any:
        raise Refused(name)


def _enum(value: Any) -> Any:
    return enum.Enum("Level", {"MEMBER": value}).MEMBER  # type: ignore[attr-defined]


def _slots(values: dict[str, Any]) -> Any:
    made = type("Slots", (), {"__slots__": tuple(values)})()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def _dataclass(values: dict[str, Any]) -> Any:
    return dataclasses.make_dataclass("Data", list(values))(**values)


def _namedtuple(values: dict[str, Any]) -> Any:
    return collections.namedtuple("Named", list(values))(**values)  # type: ignore[misc]


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "float": float,
    "bytes": bytes.fromhex,
    "text": Text,
    "number": Number,
    "enum": _enum,
    "decimal": decimal.Decimal,
    "refusing": lambda _: _Refusing(),
}
_OF_NAMES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "object": lambda values: types.SimpleNamespace(**values),
    "slots": _slots,
    "dataclass": _dataclass,
    "namedtuple": _namedtuple,
    "class": lambda values: type("Pool", (), values)(),
    "ordered": collections.OrderedDict,
    "proxy": types.MappingProxyType,
    "userdict": collections.UserDict,
}


def made(described: Any) -> Any:
    """Return the value that is *described*: JSON, and objects such as ``{"is": "enum", "of": 3}``."""
    if isinstance(described, list):
        return [made(item) for item in described]
    if not isinstance(described, dict):
        return described
    kind = described.get("is")
    if kind in _PLAIN:
        return _PLAIN[kind](described["of"])
    if kind in _OF_NAMES:
        return _OF_NAMES[kind]({name: made(value) for name, value in described["of"].items()})
    return {name: made(value) for name, value in described.items()}


# Strategies: descriptions in JSON types.

_WORDS = st.sampled_from(
    ("", "review", "fix", "large", "haiku", "done", "failed", "completed", "true", "0.5", "7", "größer", "\x00\x1b[31m",
     "two\nlines", "password=hunter2-and-more", "Authorization: Bearer abcdefghijklmnop123456", "\ud800",
     "a long text " * 300, "https://user:secret-word@example.com/repo.git", "/home/someone/repo", "😀" * 50, " x ")
)  # fmt: skip
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2000), st.just(2**70), st.floats(-1, 100).map(lambda x: round(x, 3)),
    _WORDS, st.text(max_size=20),
)  # fmt: skip
_ODD = st.one_of(
    st.sampled_from(("nan", "inf", "-0.0")).map(lambda text: {"is": "float", "of": text}),
    st.binary(max_size=8).map(lambda data: {"is": "bytes", "of": data.hex()}),
    _WORDS.map(lambda text: {"is": "text", "of": text}),
    st.integers(-1, 99).map(lambda number: {"is": "number", "of": number}),
    st.sampled_from(("medium", 3, None)).map(lambda value: {"is": "enum", "of": value}),
    st.just({"is": "decimal", "of": "12.50"}),
    st.just({"is": "refusing", "of": None}),
)
_VALUES = st.recursive(
    st.one_of(_SCALARS, _SCALARS, _ODD),
    lambda values: st.one_of(st.lists(values, max_size=3), st.dictionaries(_WORDS, values, max_size=3)),
    max_leaves=5,
)
_NUMBERS = st.one_of(st.integers(0, 500), st.floats(0, 1).map(lambda x: round(x, 3)))
_USUAL: dict[str, st.SearchStrategy[Any]] = {
    "task_id": st.sampled_from(("task-1", "t" * 300, "42")),
    "task_type": st.sampled_from(("review", "fix", "summarize", "a\nb")),
    "prompt": _WORDS, "description": _WORDS, "repo": _WORDS, "repo_path": _WORDS,
    "file_count": _NUMBERS, "files_changed": st.one_of(_NUMBERS, st.lists(_WORDS, max_size=3)),
    "model_tier": st.sampled_from(("small", "medium", "large")), "swarm_topology": st.just("mesh"),
    "routing_confidence": _NUMBERS, "complexity_score": _NUMBERS, "complexity": _NUMBERS, "quality_score": _NUMBERS,
    "cost_estimate": _NUMBERS, "cost": _NUMBERS, "peak_memory_mb": _NUMBERS, "cpu_time_seconds": _NUMBERS,
    "solution_summary": _WORDS, "pool_id": st.just("pool-1"), "worker_id": st.just("worker-3"),
    "success": st.booleans(), "ok": st.booleans(), "status": st.sampled_from(("ok", "failed", "completed", "odd", 500)),
    "error": _WORDS, "error_message": _WORDS, "pool_type": st.sampled_from(("agents", "workers")),
    "metadata": st.dictionaries(st.sampled_from(("customer", "kind", "n", "password")), _SCALARS, max_size=4),
    "usage": st.just({"input": 12, "output": 5}), "answer": _VALUES,
}  # fmt: skip
_TASK = ("task_id", "task_type", "prompt", "description", "repo", "repo_path", "file_count", "model_tier",
         "swarm_topology", "routing_confidence", "complexity_score", "cost_estimate", "metadata", "answer")  # fmt: skip
_RESULT = ("success", "ok", "status", "error", "error_message", "cost", "quality_score", "files_changed", "model_tier",
           "complexity", "complexity_score", "peak_memory_mb", "cpu_time_seconds", "solution_summary", "pool_id",
           "worker_id", "task_id", "usage", "answer")  # fmt: skip
_POOL = ("pool_type", "pool_id", "worker_id", "answer")


@st.composite
def _objects(draw: st.DrawFn, names: tuple[str, ...], kinds: tuple[str, ...]) -> Any:
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=9))
    values = {name: draw(_VALUES if draw(st.integers(0, 5)) == 0 else _USUAL[name]) for name in chosen}
    kind = draw(st.sampled_from(kinds))
    return values if kind == "dict" else {"is": kind, "of": values}


_KINDS = ("dict", "dict", "dict", *(kind for kind in _OF_NAMES if kind != "class"))
_GIVEN = st.dictionaries(
    st.sampled_from(("quality_score", "actual_cost", "model", "input_tokens", "task_type", "success", "no_column",
                     "error_message", "task_description", "worker_id", "peak_memory_mb")),
    st.one_of(_NUMBERS, _WORDS, st.booleans()), max_size=3,
)  # fmt: skip
_FIELDS = st.dictionaries(
    st.sampled_from(("model_tier", "actual_cost", "input_tokens", "quality_score", "pool_type", "metadata", "success")),
    st.sampled_from(("usage.input", "answer", "cost", "metadata.n", "config.tier", "status", "metadata")), max_size=2,
)  # fmt: skip
_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "pool_type": st.sampled_from(("given", "a\x00b")),
        "capture_content": st.just(False),
        "keep_metadata": st.just(["kind"]),
        "fields": _FIELDS,
        "success_when": st.sampled_from((True, False, None)),
        "hooks": st.booleans(),
    },
)
DESCRIPTIONS: st.SearchStrategy[Described] = st.fixed_dictionaries(
    {
        "task": st.one_of(_objects(_TASK, _KINDS), _objects(_TASK, _KINDS), _VALUES),
        "result": st.one_of(_objects(_RESULT, _KINDS), _objects(_RESULT, _KINDS), _VALUES),
        "pool": st.one_of(st.none(), _objects(_POOL, ("class",)), _objects(_POOL, ("class",))),
        "function": st.sampled_from(("plain", "plain", "coroutine", "coroutine", "generator", "future")),
        "host": st.sampled_from(("sdk", "sdk", "sdk", "sdk", "limited", "unsampled", "none")),
    },
    optional={
        "raises": st.tuples(st.sampled_from(("Refused", "ValueError", "TimeoutError", "CancelledError")), _WORDS),
        "set": _GIVEN,
        "nested": st.just(True),
        "options": _OPTIONS,
    },
)


def drawn(count: int = COUNT) -> list[Described]:
    """Return *count* descriptions, the same each time with one release of hypothesis."""
    found: list[Described] = []

    @seed(12)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(DESCRIPTIONS)
    def keep(described: Described) -> None:
        found.append(described)

    keep()
    return found


_ERRORS = {error.__name__: error for error in (Refused, ValueError, TimeoutError, asyncio.CancelledError)}


class Recorder:
    """Runs described tasks, and returns what is recorded of each.

    Args:
        folder: where its database is made.
    """

    def __init__(self, folder: Path) -> None:
        self._database = LearningDatabase(folder / "executions.db")
        self._spans = InMemorySpanExporter()
        resource = Resource({"service.name": "recorded"})
        limits = SpanLimits(max_span_attributes=14, max_span_attribute_length=70)
        self._hosts: dict[str, Any] = {
            "sdk": TracerProvider(resource=resource),
            "limited": TracerProvider(resource=resource, span_limits=limits),
            "unsampled": TracerProvider(sampler=ALWAYS_OFF, resource=resource),
            "none": NoOpTracerProvider(),
        }
        for provider in (self._hosts["sdk"], self._hosts["limited"], self._hosts["unsampled"]):
            provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self._last = 0

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def record(self, described: Described) -> dict[str, Any]:
        """Return the rows and the exported spans of a task, without ids and times."""
        self._spans.clear()
        decorate = record_execution(
            learning_db=self._database, tracer_provider=self._hosts[described["host"]],
            meter_provider=NoOpMeterProvider(), **_options(described.get("options", {})),
        )  # fmt: skip
        _run(described, decorate)
        rows = self._database.query(
            "SELECT rowid AS number, * FROM executions WHERE rowid > ? ORDER BY rowid", [self._last]
        )
        self._last = rows[-1].pop("number") if rows else self._last
        neutral = _Neutral()
        return {
            "rows": [neutral.row(row) for row in rows],
            "spans": [neutral.span(span) for span in self._spans.get_finished_spans()],
        }


def _options(options: Described) -> dict[str, Any]:
    known = dict(options)
    if "success_when" in known:
        verdict = known.pop("success_when")
        known["success_when"] = lambda result: verdict
    if known.pop("hooks", False):
        known["request_hook"] = lambda span, pool, task: span.set_attribute("before", "password=hunter2-and-more")
        known["response_hook"] = lambda span, pool, task, result, error: span.set_attribute("after", [1, 2])
    return known


def _run(described: Described, decorate: Any) -> None:
    """Run the task; what it raises is part of the description."""
    task, result, pool = made(described["task"]), made(described["result"]), made(described["pool"])
    kind, given_values = described["function"], made(described.get("set", {}))

    def inner(task: Any) -> Any:
        return {"success": True, "cost": 0.5}

    nested = decorate(inner) if described.get("nested") else None

    def body() -> Any:
        execution = current_execution()
        if given_values and execution is not None:
            execution.set(**given_values)
        if nested is not None:
            nested({"task_type": "inner"})
        if "raises" in described:
            name, message = described["raises"]
            raise _ERRORS[name](message)
        return result

    def plain(pool: Any, task: Any) -> Any:
        return body()

    async def coroutine(pool: Any, task: Any) -> Any:
        await asyncio.sleep(0)
        return body()

    def generator(pool: Any, task: Any) -> Iterator[Any]:
        yield 1
        return body()

    def future(pool: Any, task: Any) -> Any:
        pending: concurrent.futures.Future[Any] = concurrent.futures.Future()
        try:
            value = body()
        except BaseException as error:
            pending.set_exception(error)
        else:
            pending.set_result(value)
        return pending

    functions = {"plain": plain, "coroutine": coroutine, "generator": generator, "future": future}
    if pool is None:
        call = decorate(functions[kind])
    else:
        type(pool).execute_task = decorate(functions[kind])
    try:
        found = call(None, task) if pool is None else pool.execute_task(task)
        if kind == "coroutine":
            asyncio.run(found)
        elif kind == "generator":
            collections.deque(found, 0)
    except (Refused, ValueError, TimeoutError, asyncio.CancelledError):
        pass


_EXECUTION = re.compile(r"[0-9a-f]{16}-[0-9a-f]{32}-[0-9a-f]{16}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIMES = ("timestamp", "duration_seconds", "process_id", "trace_id", "span_id", "wait_seconds")
_TIME_KEYS = (semconv.TASK_DURATION, semconv.PROCESS_ID, semconv.WAIT_DURATION)


class _Neutral:
    """Takes ids and times out of what was recorded; what is equal stays equal."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def _id(self, found: "re.Match[str]") -> str:
        return self._seen.setdefault(found[0], f"<id {len(self._seen)}>")

    def value(self, name: str, value: Any) -> Any:
        if name in _TIMES or name in _TIME_KEYS:
            return f"<{type(value).__name__}>"
        # Tasks that say it say more: a collection of garbage can come within a measured one.
        if name in ("cpu_time_seconds", semconv.CPU_TIME) and type(value) is float and value < 0.3:
            return "<measured>"
        if name == "exception.stacktrace":
            return "<stack>"
        if isinstance(value, str):
            return _EXECUTION.sub(self._id, _UUID.sub("<uuid>", value))
        return [self.value("", item) for item in value] if isinstance(value, (list, tuple)) else value

    def row(self, row: dict[str, Any]) -> dict[str, Any]:
        return {name: self.value(name, row[name]) for name in COLUMNS if row[name] is not None}

    def pairs(self, attributes: Any) -> list[list[Any]]:
        return [[key, self.value(key, value)] for key, value in (attributes or {}).items()]

    def span(self, span: ReadableSpan) -> dict[str, Any]:
        scope = span.instrumentation_scope
        return {
            "name": span.name,
            "kind": span.kind.name,
            "status": [span.status.status_code.name, span.status.description],
            "attributes": self.pairs(span.attributes),
            "events": [[event.name, self.pairs(event.attributes)] for event in span.events],
            "links": len(span.links),
            "scope": None if scope is None else scope.name,
            "resource": span.resource.attributes["service.name"],
            "has_parent": span.parent is not None,
            "dropped": [span.dropped_attributes, span.dropped_events, span.dropped_links],
        }


def load() -> list[dict[str, Any]]:
    """Return the tasks of the file, each with its description and its record."""
    return [json.loads(line) for line in gzip.decompress(FILE.read_bytes()).splitlines()]


def main() -> None:
    """Make the file."""
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder))
        tasks = [case["described"] for case in load()] if FILE.exists() else drawn()
        lines = [json.dumps({"described": each, "recorded": recorder.record(each)}) for each in tasks]
        recorder.close()
    FILE.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    print(f"{len(lines)} tasks, {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    from tests.recording import recorded_tasks  # for functions are recorded with the name of their module

    recorded_tasks.main()
