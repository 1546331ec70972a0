"""Databases with a history of some weeks, to try on them what a page says: a quiet week, an outage, a price rise.

``build(path, kind, now)`` writes one. Volume follows weekdays and hours; tasks have three tiers, each with a model,
calls of it with tokens and costs, waits, failures with messages, a routing confidence that tells something, feedback.
"""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any, Final

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.costs.attribution import store_model_calls
from learning_instrument.costs.model_calls import ModelCall
from learning_instrument.ids import execution_id
from learning_instrument.outcome import Outcome
from learning_instrument.record import row_from_record
from learning_instrument.rollups import catch_up
from learning_instrument.sqlite.connection import WriteConnection, open_for_maintenance
from learning_instrument.storage.crash_ledger import _entry
from learning_instrument.storage.liveness import Process
from learning_instrument.timestamps import iso

#: A Friday noon.
NOW: Final = datetime(2026, 11, 27, 12, 0, tzinfo=timezone.utc)
KINDS: Final = ("quiet", "outage", "price-rise", "empty", "one", "failures-only", "hostile")
#: How long before now the outage begins and ends, and from when on calls of a model cost more.
OUTAGE: Final = (timedelta(days=3), timedelta(days=1, hours=12))
PRICE_RISE: Final = timedelta(days=2, hours=12)
DEARER: Final = 1.8
DEARER_MODEL: Final = "deep-5"
_DAYS: Final = 60
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Tier:
    """A model tier."""

    model: str
    #: US dollars for a million tokens in, and out.
    prices: tuple[float, float]
    slowness: float
    #: Failures, as a factor on those of the task type.
    failing: float


TIERS: Final = {
    "small": Tier("quick-2", (0.4, 1.6), 0.5, 1.0),
    "medium": Tier("steady-3", (3.0, 15.0), 1.0, 0.9),
    "large": Tier(DEARER_MODEL, (6.0, 30.0), 1.7, 0.8),
}
#: Task type -> weight, median seconds, share of failures, weights of the tiers.
TASKS: Final = {
    "bugfix": (4, 45.0, 0.09, (4, 4, 3)),
    "review": (5, 16.0, 0.04, (6, 3, 1)),
    "tests": (3, 30.0, 0.07, (4, 4, 1)),
    "docs": (2, 11.0, 0.03, (7, 2, 1)),
}
_POOLS: Final = {"agents": 5, "threads": 3, "remote": 2}
_REPOS: Final = {"shop": 5, "platform": 3, "website": 2, "mobile": 1}
_CUSTOMERS: Final = {"acme": 4, "globex": 3, "initech": 2, "umbrella": 1}
_MODULES: Final = ("parser", "billing", "session", "cache", "export", "search")
_WEEKDAYS: Final = (1.0, 1.1, 1.05, 1.0, 0.9, 0.3, 0.25)
_HOURS: Final = tuple(0.15 if hour < 7 or hour > 20 else 1.0 for hour in range(24))

Failure = tuple[Outcome, str, str | None, str]
_FAILURES: Final[Sequence[Failure]] = (
    (Outcome.FAILED, "quality_gate", None, "{n} tests of 412 failed"),
    (Outcome.TIMEOUT, "timeout", "TimeoutError", "timed out after {n} s"),
    (Outcome.ERROR, "validation", "ValidationError", "validation of field 'item_{n}' failed"),
    (Outcome.ERROR, "unknown", "KeyError", "'module_{n}'"),
)
_OUTAGE_FAILURES: Final[Sequence[Failure]] = (
    (Outcome.ERROR, "unknown", "OverloadedError", "model quick-2 is overloaded, retry after {n} s"),
    (Outcome.ERROR, "unknown", "ConnectionResetError", "connection to 10.0.3.{n}:8443 was reset by the gateway"),
)
#: Of the executions that fail in the outage.
_LOST: Final = 0.03
_DIED: Final = "Process 4711 on worker-7.example ended before its task did; last seen at 2026-11-24T12:00:00+00:00."

HOSTILE_TEXTS: Final = (
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "\u202egnp.exe\u2066 right to left \u2069",
    "W" * 4000,
    "'\"><svg/onload=alert(1)>&amp;&#x3c;",
    "]]><!-- {{7*7}} ${7*7} %s %(a)s javascript:alert(1)",
    "a\u0000b\u0007\u001b[31mred\u001b[0m\u2028\u2029",
    "Zalgo\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308 \U0001f469\u200d\U0001f4bb",
)


def build(
    path: str | os.PathLike[str],
    kind: str = "quiet",
    now: datetime = NOW,
    *,
    executions_per_day: int = 150,
    days: int = _DAYS,
    seed: int = 1,
    with_calls: bool = True,
    with_rollups: bool = True,
) -> str:
    """Write a database of one of :data:`KINDS` to *path*, which does not exist yet, and return the path.

    Args:
        path: of the file.
        kind: what happens in it.
        now: no execution starts later.
        executions_per_day: on average.
        days: how long before now the first one starts.
        seed: the same one gives the same executions.
        with_calls: whether executions have model calls.
        with_rollups: whether its roll-ups are up to date, as a pool keeps them.
    """
    chance = random.Random(seed)
    records = _KINDS[kind](chance, now, executions_per_day, days)
    database = LearningDatabase(os.fspath(path), durability="commit")
    with database:
        rated = 0
        while batch := list(islice(records, _BATCH)):
            database.append(batch)
            if with_calls:
                _store_calls(database.path, chance, batch)
            for record in batch[:: max(1, len(batch) // 8)]:
                rated += 1
                accepted = record.success if rated % 5 else not record.success
                database.add_feedback(record.execution_id, accepted=accepted, rating=4 if accepted else 2)
    if kind in ("quiet", "outage", "price-rise"):
        _run(database.path, chance, now)
    if kind == "outage":
        _lose(database.path, now)
    if with_rollups:
        with open_for_maintenance(database.path) as connection:
            catch_up.catch_up_fully(connection, lambda what, done, of: None)
    return database.path


def _weeks(chance: random.Random, now: datetime, per_day: int, days: int) -> Iterator[ExecutionRecord]:
    return (_execution(chance, start) for start in _starts(chance, now, per_day, days))


def _outage(chance: random.Random, now: datetime, per_day: int, days: int) -> Iterator[ExecutionRecord]:
    """Have most executions of tier small fail for a day and a half, with messages never seen before."""
    begins, ends = (now - before for before in OUTAGE)
    for record in _weeks(chance, now, per_day, days):
        is_hit = record.model_tier == "small" and begins <= record.timestamp < ends and chance.random() < 0.75
        if is_hit:
            lost = {"outcome": Outcome.LOST, "success": False, "error_type": "crash", "error_message": _DIED}
            is_lost = chance.random() < _LOST
            record = replace(record, **(lost if is_lost else _failing(chance, _OUTAGE_FAILURES)))
        yield record


def _price_rise(chance: random.Random, now: datetime, per_day: int, days: int) -> Iterator[ExecutionRecord]:
    """Have calls of one model cost more from a day on, with as many tokens as before."""
    for record in _weeks(chance, now, per_day, days):
        is_dearer = record.model == DEARER_MODEL and record.timestamp >= now - PRICE_RISE
        yield replace(record, actual_cost=record.actual_cost * DEARER) if is_dearer and _is_priced(record) else record


def _one(chance: random.Random, now: datetime, per_day: int, days: int) -> Iterator[ExecutionRecord]:
    yield _execution(chance, now - timedelta(hours=1), fails=False)


def _failures_only(chance: random.Random, now: datetime, per_day: int, days: int) -> Iterator[ExecutionRecord]:
    starts = _starts(chance, now, min(per_day, 20), min(days, 5))
    return (_execution(chance, start, fails=True) for start in starts)


def _hostile(chance: random.Random, now: datetime, per_day: int, days: int) -> Iterator[ExecutionRecord]:
    """Have hostile text in every column that holds text, and values at the ends of their ranges."""
    for number, record in enumerate(_weeks(chance, now, min(per_day, 40), min(days, 20))):
        said = HOSTILE_TEXTS[number % len(HOSTILE_TEXTS)]
        other = chance.choice(HOSTILE_TEXTS)
        names = ("task_type", "repo", "model_tier", "pool_type", "model", "worker_id", "service_name", "task_id")
        yield replace(
            record,
            **dict.fromkeys(names, said),
            **({} if record.success else {"error_message": said, "exception_type": other[:50]}),
            task_description=other,
            solution_summary=other,
            metadata={"customer": said, said[:60]: other, "task": {"customer": said, other[:60]: said}},
            duration_seconds=record.duration_seconds if number % 97 else 1e9,
        )


_KINDS: Final[dict[str, Callable[[random.Random, datetime, int, int], Iterator[ExecutionRecord]]]] = {
    "quiet": _weeks,
    "outage": _outage,
    "price-rise": _price_rise,
    "empty": lambda chance, now, per_day, days: iter(()),
    "one": _one,
    "failures-only": _failures_only,
    "hostile": _hostile,
}


def _starts(chance: random.Random, now: datetime, per_day: int, days: int) -> list[datetime]:
    hours = [now - timedelta(hours=hour) for hour in range(1, 24 * days + 1)]
    weights = [_WEEKDAYS[hour.weekday()] * _HOURS[hour.hour] for hour in hours]
    chosen = chance.choices(hours, weights, k=per_day * days)
    return sorted(hour + timedelta(hours=1) * chance.random() for hour in chosen)


def _drawn(chance: random.Random, of: dict[str, int]) -> str:
    return chance.choices([*of], [*of.values()])[0]


def _execution(chance: random.Random, start: datetime, fails: bool | None = None) -> ExecutionRecord:
    task_type = chance.choices([*TASKS], [weight for weight, *_ in TASKS.values()])[0]
    _, seconds, failing, tiers = TASKS[task_type]
    name = chance.choices([*TIERS], tiers)[0]
    tier = TIERS[name]
    confidence = round(chance.uniform(0.5, 1.0), 2)
    # A sure router errs less often, though more often than it says.
    share = min(0.9, failing * tier.failing * (1.6 - 0.8 * confidence))
    has_failed = chance.random() < share if fails is None else fails
    module = chance.choice(_MODULES)
    prompt = f"{task_type} of {module}.py: as described in ticket {chance.randrange(1000, 9999)}"
    complexity = chance.randrange(10, 90)
    tokens = round(chance.lognormvariate(8.2, 0.5)), round(chance.lognormvariate(6.6, 0.5))
    cost = sum(count * price for count, price in zip(tokens, tier.prices, strict=True)) / 1e6
    kind = chance.random()
    if kind < 0.97:
        money: dict[str, Any] = {
            "actual_cost": cost, "cost_source": "priced" if kind < 0.96 else "partial",
            "cost_estimate": cost * chance.lognormvariate(-0.15, 0.35),
        }  # fmt: skip
    else:
        money = {"cost_source": "unpriced"} if kind < 0.985 else {}
    return ExecutionRecord(
        task_type=task_type,
        task_id=f"ticket-{chance.getrandbits(40):010x}",
        timestamp=start,
        task_description=prompt,
        repo=_drawn(chance, _REPOS),
        file_count=chance.randrange(1, 9),
        estimated_tokens=(len(prompt) + 1) // 2,
        model_tier=name,
        pool_type=_drawn(chance, _POOLS),
        routing_confidence=confidence,
        complexity_score=complexity,
        duration_seconds=seconds * tier.slowness * chance.lognormvariate(0, 0.6),
        queue_seconds=chance.expovariate(0.8) if chance.random() < 0.8 else None,
        wait_seconds=chance.expovariate(4),
        model=tier.model,
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        worker_id=f"worker-{chance.randrange(6)}",
        execution_id=execution_id(int(start.timestamp() * 1e9), chance.getrandbits(128), chance.getrandbits(64)),
        service_name="agents",
        attempt=1 if chance.random() < 0.95 else 2,
        metadata={"task": {"customer": _drawn(chance, _CUSTOMERS), "version": "1.4" if start.day < 15 else "1.5"}},
        **money,
        **(_failing(chance, _FAILURES) if has_failed else _succeeding(chance, module)),
    )


def _succeeding(chance: random.Random, module: str) -> dict[str, Any]:
    summary = chance.choice(("Added a check to {}", "Moved helpers out of {}", "Wrote parametrised tests of {}"))
    return {
        "outcome_source": "reported" if chance.random() < 0.9 else "assumed",
        "solution_summary": summary.format(f"{module}.py"),
        "quality_score": None if chance.random() < 0.3 else round(min(100.0, chance.gauss(82, 8)), 1),
    }


def _failing(chance: random.Random, kinds: Sequence[Failure]) -> dict[str, Any]:
    outcome, error_type, exception_type, message = chance.choice(kinds)
    return {
        "outcome": outcome,
        "success": False,
        "error_type": error_type,
        "exception_type": exception_type,
        "error_message": message.format(n=chance.randrange(2, 200)),
        "outcome_source": "raised" if exception_type else "reported",
        "solution_summary": None,
        "quality_score": None,
    }


def _is_priced(record: ExecutionRecord) -> bool:
    return record.cost_source is not None and "actual_cost" not in record.defaulted


def _store_calls(path: str, chance: random.Random, records: Sequence[ExecutionRecord]) -> None:
    """Store the model calls of *records*, which come to their tokens and costs."""
    calls = [call for record in records for call in _calls(chance, record)]
    target = WriteConnection(path, 5.0)
    with target.transaction() as connection:
        store_model_calls(connection, calls, [])
    target.close()


def _calls(chance: random.Random, record: ExecutionRecord) -> Iterator[ModelCall]:
    if record.input_tokens is None or record.output_tokens is None:
        return
    count = chance.choices((1, 2, 4), (5, 3, 1))[0]
    shares = [chance.uniform(0.5, 1.5) for _ in range(count)]
    left_in, left_out, left_cost = record.input_tokens, record.output_tokens, record.actual_cost
    for number, each in enumerate(shares):
        share = each / sum(shares[number:])
        is_last = number == count - 1
        tokens_in, tokens_out = (left if is_last else int(left * share) for left in (left_in, left_out))
        cost = left_cost if is_last else left_cost * share
        left_in, left_out, left_cost = left_in - tokens_in, left_out - tokens_out, left_cost - cost
        begins = record.timestamp + timedelta(seconds=record.duration_seconds * number / count)
        yield ModelCall(
            **dict.fromkeys(("parent_span_id", "awaited_span_id", "cached_tokens", "cache_write_tokens")),
            execution_id=record.execution_id,
            trace_id=record.trace_id or f"{chance.getrandbits(128):032x}",
            span_id=f"{chance.getrandbits(64):016x}",
            path="",
            timestamp=iso(begins),
            model=record.model,
            response_model=record.model,
            provider="example",
            input_tokens=tokens_in,
            output_tokens=tokens_out,
            cost=cost if _is_priced(record) else None,
            cost_source=record.cost_source if _is_priced(record) and record.cost_source else "unpriced",
            price_table="tables-2026-11" if _is_priced(record) else None,
            duration_seconds=record.duration_seconds / count * chance.uniform(0.5, 0.9),
            error_type=None if record.success or not is_last else record.exception_type,
            finish_reason="stop",
            operation="chat",
        )


def _run(path: str, chance: random.Random, now: datetime) -> None:
    """Note two executions that are running, one of them for long."""
    process = Process(4711, "worker-7.example", "4711@worker-7.example")
    target = WriteConnection(path, 5.0)
    for age in (timedelta(seconds=12), timedelta(minutes=47)):
        row = row_from_record(_execution(chance, now - age, fails=False))
        entry = _entry(row, process, iso(now - timedelta(seconds=2)))
        target.execute(f"INSERT INTO running VALUES ({', '.join('?' * len(entry))})", entry)
    target.close()


def _lose(path: str, now: datetime) -> None:
    """Note that some executions could not be recorded."""
    target = WriteConnection(path, 5.0)
    target.execute(
        "INSERT INTO losses (timestamp, process_id, reason, executions) VALUES (?, 4711, 'process ended', 3)",
        (iso(now - OUTAGE[0]),),
    )
    target.close()
