"""An application that runs for weeks within seconds: its clock jumps from one event to the next.

What it does is drawn from a seed. The real recording records it, into a database; and its spans are kept as the OTLP
requests that an exporter posts.
"""

import asyncio
import bisect
import contextlib
import functools
import itertools
import random
import selectors
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks.error_messages import Failure, failures
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator

from learning_instrument import LearningDatabase, current_execution, record_execution, semconv
from learning_instrument.rollups import catch_up
from learning_instrument.safety.clocks import Clocks
from learning_instrument.sqlite.connection import open_for_maintenance

_DAY: Final = 86400.0
#: Spans in a request: OpenTelemetry's default.
_BATCH: Final = 512
#: Executions of a job, on average.
_OF_A_JOB: Final = 1.6
_TYPES: Final = {"bug_fix": 30, "code_review": 22, "test_generation": 15, "refactoring": 10, "triage": 6, "docs": 4}
#: Tier -> its weight, median seconds, and the share that succeeds.
_TIERS: Final = {"small": (50, 4.0, 0.84), "medium": (35, 12.0, 0.91), "large": (15, 30.0, 0.96)}
_POOLS: Final = {"agents": 60, "threads": 25, "kubernetes": 15}
_MODULES: Final = ("parser", "billing", "session", "cache", "export", "search", "login", "Übersicht", "日程")
_PROMPTS: Final = (
    "Fix the crash in the {} module", "Mend the off-by-one error in {}.py", "Split {} into two modules",
    "Write tests for the error paths of {}", "Review the change to {}: “naïve” façade, étude",
    "Document what {} calls core\nand why, 'quoted' \\ and \"double\"",
)  # fmt: skip
_SOLUTIONS: Final = ("Added a check before the loop in {}", "Moved helpers out of {}", "Wrote tests for {}")
#: Models with a listed price, and one that nobody knows.
_MODELS: Final = {"small": "gpt-4o-mini", "medium": "gpt-4o", "large": "claude-3-5-sonnet-latest"}
_UNKNOWN_MODEL: Final = "house-model-7"

Sent = list[bytes]


@dataclass
class Ran:
    """What the application left."""

    executions: int
    #: The bodies of OTLP requests, in the order in which they were posted.
    requests: Sent
    #: What people said of executions: execution id -> the arguments of ``add_feedback``.
    feedback: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def run(path: Path, executions: int, end: datetime, *, days: int = 45, seed: int = 1) -> Ran:
    """Run it for about so many executions, the last of which end shortly before *end*; return what it left.

    Args:
        path: a new database, in which all that is derived from the executions is up to date afterwards.
        executions: how many.
        end: the time at which it is over.
        days: how long it runs.
        seed: the same seed gives the same executions.
    """
    chance = random.Random(seed)
    loop = _JumpingLoop(end - timedelta(days=days))
    with _clock_of(loop), LearningDatabase(path, durability="batch") as database:
        provider = TracerProvider(resource=Resource({"service.name": "agents"}), id_generator=_Ids(seed))
        posted = _Posted()
        application = _Application(chance, database, provider, loop)
        provider.add_span_processor(posted)
        try:
            loop.run_until_complete(application.work(executions, days * _DAY))
        finally:
            loop.close()
        assert database.flush(60)
        assert not any(database.statistics().lost.values())
    with open_for_maintenance(str(path)) as connection:
        catch_up.catch_up_fully(connection, lambda *_: None)
    return Ran(application.count, posted.requests(), application.feedback())


class _JumpingLoop(asyncio.SelectorEventLoop):
    """Waits for nothing: where all tasks wait, it is at once as late as the first of them waits for."""

    def __init__(self, start: datetime) -> None:
        self._start_ns = int(start.timestamp()) * 10**9
        self._now = 0.0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        """Return the seconds since the start."""
        return self._now

    def time_ns(self) -> int:
        """Return the nanoseconds since the epoch. Time passes while they are read: no two events are at once."""
        self._now += 1e-6
        return self._start_ns + round(self._now * 1e9)

    def _jump(self, seconds: float) -> None:
        self._now += seconds


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> Any:
        if timeout:
            self._jump(timeout)
        return super().select(0)


@contextlib.contextmanager
def _clock_of(loop: _JumpingLoop) -> Iterator[None]:
    """Have the recording tell the time by *loop* in this block."""
    before = Clocks.time_ns, Clocks.perf_counter_ns
    Clocks.time_ns = Clocks.perf_counter_ns = loop.time_ns  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        Clocks.time_ns, Clocks.perf_counter_ns = before  # type: ignore[misc]


class _Ids(IdGenerator):
    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def generate_span_id(self) -> int:
        return self._chance.getrandbits(64) | 1

    def generate_trace_id(self) -> int:
        return self._chance.getrandbits(128) | 1


class _Posted(SpanProcessor):
    """Makes requests of the spans, in the order of their ends."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []
        self._requests: Sent = []

    def on_end(self, span: ReadableSpan) -> None:
        self._spans.append(span)
        if len(self._spans) == _BATCH:
            self._post()

    def requests(self) -> Sent:
        self._post()
        return self._requests

    def _post(self) -> None:
        if self._spans:
            self._requests.append(encode_spans(self._spans).SerializeToString())
            self._spans = []


class _ToolError(Exception):
    """Raised by a task."""


class _Application:
    """Draws tasks and runs them."""

    def __init__(
        self, chance: random.Random, database: LearningDatabase, provider: TracerProvider, loop: _JumpingLoop
    ) -> None:
        self._chance = chance
        self._provider = provider
        self._loop = loop
        self._tracer = provider.get_tracer("model.client", "1.0")
        self._background: set[asyncio.Task[Any]] = set()
        self._numbers = itertools.count()
        self._ids: list[str] = []
        self._failures = self._drawn_failures()
        recorded = functools.partial(
            record_execution, learning_db=database, tracer_provider=provider, request_hook=self._started
        )
        self._pools = {name: self._pool(name, recorded) for name in _POOLS}

    def _drawn_failures(self) -> Sequence[Failure]:
        return [failure for failure in failures(400) if failure.message]

    def _pool(self, name: str, recorded: Any) -> Any:
        class Pool:
            pool_type = name

            @recorded()
            async def execute_task(self, task: Any, act: Callable[[], Awaitable[Any]]) -> Any:
                return await act()

            @recorded(batch=True)
            async def execute_batch(self, tasks: Any, act: Callable[[], Awaitable[Any]]) -> Any:
                return await act()

            @recorded(capture_content=False)
            async def crawl(self, page: Any, act: Callable[[], Awaitable[Any]]) -> Any:
                return await act()

        return Pool()

    def _started(self, span: Any, instance: Any, task: Any) -> None:
        execution_id = span.attributes.get(semconv.EXECUTION_ID)
        if execution_id is not None:  # else it is that of a batch
            self._ids.append(execution_id)

    @property
    def count(self) -> int:
        """The executions so far."""
        return len(self._ids)

    def feedback(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what people say of every fortieth execution."""
        chance = self._chance
        return {
            execution_id: {
                "accepted": chance.choice((True, True, False, None)),
                "rating": chance.randrange(1, 6),
                "comment": chance.choice((None, "fine", "Nicht gut: “so” nicht.")),
                "source": "review",
            }
            for execution_id in chance.sample(self._ids, len(self._ids) // 40)
        }

    async def work(self, executions: int, seconds: float) -> None:
        """Run about so many executions."""
        starts = [self._start_of_work(seconds) for _ in range(round(executions / _OF_A_JOB))]
        for start in sorted(starts):
            await asyncio.sleep(start - self._loop.time())
            self._in_background(self._job())
        while self._background:
            await asyncio.wait(self._background)

    def _start_of_work(self, seconds: float) -> float:
        """Draw a time: at night, and at weekends, less happens."""
        chance = self._chance
        while True:
            start = chance.random() * (seconds - 7200)
            hour, day = start % _DAY / 3600, int(start / _DAY) % 7
            if chance.random() < (1.0 if 7 <= hour < 19 else 0.25) * (0.3 if day > 4 else 1.0):
                return start

    def _in_background(self, job: Any) -> None:
        task = self._loop.create_task(job)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _job(self) -> None:
        chance = self._chance
        kind = chance.random()
        pool = self._pools[_choice(chance, _POOLS)]
        with contextlib.suppress(_ToolError, asyncio.TimeoutError, asyncio.CancelledError, *_RAISED):
            if kind < 0.60:
                await self._one(pool, self._task())
            elif kind < 0.75:
                await self._nesting(pool, depth=chance.choice((1, 1, 2)))
            elif kind < 0.87:
                await self._retried(pool)
            elif kind < 0.93:
                await self._batch(pool)
            else:
                await self._crawled(pool)

    def _task(self) -> dict[str, Any]:
        chance, number = self._chance, next(self._numbers)
        tier = _choice(chance, {name: weight for name, (weight, *_) in _TIERS.items()})
        module = chance.choice(_MODULES)
        task = {
            "task_id": f"task-{number:07}",
            "task_type": _choice(chance, _TYPES),
            "prompt": chance.choice(_PROMPTS).format(module),
            "repo": f"repo-{int(chance.expovariate(0.4)):02}",
            "model_tier": tier,
            "complexity_score": chance.randrange(100),
            "routing_confidence": round(chance.random(), 3),
            "cost_estimate": round(chance.lognormvariate(-4, 1), 6),
            "swarm_topology": chance.choice((None, "mesh", "star")),
            "metadata": {
                "customer": chance.choice(("acme", "globex", "Ünïted", 7, True, None, 2.5)),
                "version": chance.choice(("1.3", "1.4")),
                "tags": ["a", {"b": number % 3}],
            },
        }
        for name in ("task_id", "task_type", "repo", "model_tier", "cost_estimate", "metadata", "complexity_score"):
            if chance.random() < 0.06:
                del task[name]
        return task

    async def _one(self, pool: Any, task: dict[str, Any], attempt: int | None = None) -> Any:
        """Run one execution in *pool*."""
        chance, tier = self._chance, task.get("model_tier", "small")
        _, median, share = _TIERS[tier]
        seconds = median * chance.lognormvariate(0, 1)
        ends = chance.random()
        if chance.random() < share:
            return await pool.execute_task(task, lambda: self._succeeding(pool, tier, seconds, attempt))
        if ends < 0.15:  # its library waits no longer
            return await pool.execute_task(task, lambda: asyncio.wait_for(asyncio.sleep(9 * seconds), seconds))
        if ends < 0.25:
            running = self._loop.create_task(pool.execute_task(task, lambda: asyncio.sleep(9 * seconds)))
            await asyncio.sleep(seconds)
            return running.cancel()
        return await pool.execute_task(task, lambda: self._failing(tier, seconds, attempt))

    async def _succeeding(self, pool: Any, tier: str, seconds: float, attempt: int | None) -> Any:
        chance = self._chance
        await self._begin(seconds, attempt)
        await self._calls(tier, seconds)
        if chance.random() < 0.15:
            return None  # it says nothing
        result: dict[str, Any] = {"status": "completed", "worker_id": f"w{chance.randrange(12)}"}
        more: dict[str, Any] = {
            "cost": round(chance.lognormvariate(-4, 1), 6),
            "quality_score": round(chance.uniform(40, 100), 2),
            "solution_summary": chance.choice(_SOLUTIONS).format(chance.choice(_MODULES)),
            "pool_id": f"{pool.pool_type}-1",
            "peak_memory_mb": round(chance.uniform(20, 900), 3),
            "cpu_time_seconds": seconds / 7,
            "files_changed": ["a.py"] * chance.randrange(4),
        }
        return result | {name: value for name, value in more.items() if chance.random() < 0.5}

    async def _failing(self, tier: str, seconds: float, attempt: int | None) -> Any:
        chance = self._chance
        await self._begin(seconds, attempt)
        await self._calls(tier, seconds)
        failure = chance.choice(self._failures)
        if failure.exception_type is None:
            return {"status": "failed", "error": failure.message, "cost": round(chance.lognormvariate(-4, 1), 6)}
        raise chance.choice((_ToolError, *_RAISED))(failure.message)

    async def _begin(self, seconds: float, attempt: int | None) -> None:
        chance, execution = self._chance, current_execution()
        if attempt is not None:
            execution.set(attempt=attempt)
        if chance.random() < 0.5:
            execution.set(queue_seconds=chance.expovariate(0.5))
        if chance.random() < 0.2:
            await asyncio.sleep(seconds / 5)
            execution.started()

    async def _calls(self, tier: str, seconds: float) -> None:
        """Make model calls, of which some go on when the execution has ended."""
        chance = self._chance
        number = chance.choice((0, 1, 1, 2, 3))
        for _ in range(number):
            model = _UNKNOWN_MODEL if chance.random() < 0.2 else _MODELS[tier]
            takes = seconds / number
            if chance.random() < 0.15:
                self._in_background(self._call(model, takes * 3))
                await asyncio.sleep(takes)
            else:
                await self._call(model, takes)
        await asyncio.sleep(seconds if not number else seconds * 0.01)

    async def _call(self, model: str, seconds: float) -> None:
        chance = self._chance
        tokens = chance.randrange(200, 9000), chance.randrange(20, 2000)
        start = chance.choice((self._chat, self._chat, self._openinference, self._run_of_agent))
        await start(model, tokens, seconds)

    async def _chat(self, model: str, tokens: tuple[int, int], seconds: float) -> None:
        said: dict[str, Any] = {
            "gen_ai.operation.name": "chat", "gen_ai.request.model": model, "gen_ai.provider.name": "openai",
            "gen_ai.usage.input_tokens": tokens[0], "gen_ai.usage.output_tokens": tokens[1],
            "gen_ai.response.finish_reasons": ("stop",), "gen_ai.response.id": f"r{self._chance.getrandbits(60):x}",
        }  # fmt: skip
        if self._chance.random() < 0.1:
            said["gen_ai.usage.cost"] = round(self._chance.lognormvariate(-5, 1), 8)
        with self._span("chat", said):
            await asyncio.sleep(seconds)

    async def _openinference(self, model: str, tokens: tuple[int, int], seconds: float) -> None:
        said = {
            "openinference.span.kind": "LLM", "llm.model_name": model, "llm.provider": "openai",
            "llm.token_count.prompt": tokens[0], "llm.token_count.completion": tokens[1],
        }  # fmt: skip
        with self._span("llm", said):
            await asyncio.sleep(seconds)

    async def _run_of_agent(self, model: str, tokens: tuple[int, int], seconds: float) -> None:
        """Make a call within the span of an agent, which tells of the same usage."""
        said = {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": tokens[0]}
        with self._span("agent", said):
            await self._chat(model, tokens, seconds * 0.9)
            await asyncio.sleep(seconds * 0.1)

    @contextlib.contextmanager
    def _span(self, name: str, attributes: Mapping[str, Any]) -> Iterator[None]:
        from opentelemetry import trace

        span = self._tracer.start_span(name, attributes=attributes, start_time=self._loop.time_ns())
        try:
            with trace.use_span(span, end_on_exit=False):
                yield
        finally:
            span.end(self._loop.time_ns())

    async def _nesting(self, pool: Any, depth: int) -> Any:
        """Run an execution that has others run within it."""

        async def act() -> Any:
            for _ in range(self._chance.choice((1, 2, 3))):
                with contextlib.suppress(_ToolError, asyncio.TimeoutError, *_RAISED):
                    if depth > 1:
                        await self._nesting(pool, depth - 1)
                    else:
                        await self._one(pool, self._task())
                await asyncio.sleep(self._chance.uniform(0.01, 1))
            return await self._succeeding(pool, "small", 1.0, None)

        return await pool.execute_task(self._task(), act)

    async def _retried(self, pool: Any) -> None:
        """Run a task up to three times, until it succeeds."""
        task = self._task() | {"task_id": f"retried-{next(self._numbers):07}"}
        for attempt in (1, 2, 3):
            with contextlib.suppress(_ToolError, asyncio.TimeoutError, *_RAISED):
                result = await self._one(pool, task, attempt)
                if not (isinstance(result, dict) and result["status"] == "failed"):
                    return
            await asyncio.sleep(attempt * 2.5)

    async def _batch(self, pool: Any) -> None:
        """Run a batch, whose executions are made of its result."""
        tasks = [self._task() | {"task_id": f"item-{next(self._numbers):07}"} for _ in range(self._chance.randrange(6))]

        async def act() -> Any:
            chance = self._chance
            await asyncio.sleep(chance.uniform(1, 60))
            # One after the other. Of those that end at once a file knows which was first, and their spans do not.
            seconds = sorted(chance.uniform(0.1, 1) for _ in tasks)
            statuses = [chance.choice(("completed", "completed", "completed", "failed", "cancelled")) for _ in tasks]
            return [
                {"task_id": task["task_id"], "status": status, "cost": chance.random(), "duration": duration}
                for task, status, duration in zip(tasks, statuses, seconds, strict=True)
            ]

        await pool.execute_batch(tasks, act)

    async def _crawled(self, pool: Any) -> None:
        """Run a function whose argument has no field of a task's."""

        async def act() -> None:
            await asyncio.sleep(self._chance.uniform(0.001, 0.5))

        await pool.crawl(f"https://example.org/{self._chance.randrange(99)}", act)


_RAISED: Final = (ValueError, KeyError, ConnectionError, TimeoutError)


def _choice(chance: random.Random, weights: Mapping[str, int]) -> str:
    totals = [*itertools.accumulate(weights.values())]
    return [*weights][bisect.bisect(totals, chance.random() * totals[-1])]
