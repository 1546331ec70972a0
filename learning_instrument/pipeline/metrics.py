"""Publishes executions as OpenTelemetry metrics. Uses the metrics API only; the provider is the host's.

Recording an execution in the SDK takes longer than all other work for it. So a task puts its attributes in a queue,
and no task waits for the recording: the metric reader does it, through the callback of an observable instrument, which
the SDK calls before it reads the others; and a thread does it once the queue is long. Each collection has every
execution that has ended.
"""

import logging
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import (
    CallbackOptions,
    Counter,
    Histogram,
    Meter,
    MeterProvider,
    NoOpMeterProvider,
    Observation,
    _internal,
    get_meter,
)
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext

from .. import semconv
from ..recording.in_flight import InFlight
from ..safety import threads
from ..safety.clocks import time
from ..safety.forks import ForkLock, Undo, check, copy_of, register
from ..safety.guards import warn
from ..version import __version__
from .host_providers import check_providers, global_meter_provider
from .pool_gauges import ObservedPool, ObservedPools, Read

if TYPE_CHECKING:
    from ..costs.execution_totals import TotalsChange

log = logging.getLogger(__name__)


#: Seconds: from 10 ms to 2 h.
DURATION_BUCKETS: Final = (
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0,
    7200.0,
)  # fmt: skip
#: The most values of one attribute; later values become one. A task type made of an id would otherwise make a time
#: series for each task, here, in the collector and in its database.
MOST_VALUES: Final = 100
#: The value for later ones; OpenTelemetry's word.
OTHER: Final = semconv.OTHER_ERROR

#: The length of the queue that starts a thread.
_MANY: Final = 1_000
#: The longest queue. Items hold their attributes, descriptions included.
_MOST_WAITING: Final = 20_000
#: Ended executions that are remembered, for totals of their model calls that come later.
_MOST_REMEMBERED: Final = 10_000

#: How long a collection waits for other threads that record what they have taken from the queue.
_PATIENCE_SECONDS: Final = 1.0

Attributes = dict[str, str]
_Measurement = tuple[Callable[..., object], float, Attributes, Context]
"""A method of an instrument, and its arguments."""

# Not an empty context: the SDK would use the current one of the collecting thread.
_NO_SPAN: Final = trace.set_span_in_context(trace.INVALID_SPAN, Context())


class _Ended(NamedTuple):
    attributes: Mapping[str, Any]
    span: SpanContext


class _Added(NamedTuple):
    execution_id: str
    change: "TotalsChange"


class ExecutionMetrics:
    """The metrics of executions in one meter provider; made by :func:`metrics_of`.

    Args:
        meter_provider: the provider to publish to; None for the global one, which may be set up later.
    """

    def __init__(self, meter_provider: MeterProvider | None) -> None:
        self._meter_provider = meter_provider
        self._has_provider = meter_provider is not None
        self._has_instruments = False
        self._is_draining = False
        self._pending: deque[_Ended | _Added] = deque(maxlen=_MOST_WAITING)
        self._bounded = BoundedValues()
        #: Pool types seen so far: they are published with 0 in flight, too.
        self._pool_types: set[str | None] = set()
        self._running: weakref.WeakSet[InFlight] = weakref.WeakSet()
        self.pools = ObservedPools()
        #: Executions in flight without a database.
        self.own_running = InFlight(lambda: None)
        self.own_running.is_watched = True
        self.count_running(self.own_running)
        #: Threads that record in the instruments: foreign code (views, exemplar filters), so no lock is held.
        self._recording: dict[object, int] = {}
        register(self)
        self._lock = ForkLock()  # around the queue; after the line above, so that a fork holds it first
        self.reset()

    def create_instruments(self) -> None:
        """Create the instruments; once, and without a lock: a reader may call back at once."""
        provider = self._meter_provider or global_meter_provider()
        meter = get_meter(semconv.SCOPE_NAME, __version__, provider)
        self._duration = _histogram(meter, semconv.METRIC_DURATION)
        self._queue = _histogram(meter, semconv.METRIC_QUEUE)
        self._executions, self._cost, self._tokens = (
            meter.create_counter(*metric)
            for metric in (semconv.METRIC_EXECUTIONS, semconv.METRIC_COST, semconv.METRIC_TOKENS)
        )
        self._has_instruments = True
        _observable(meter.create_observable_up_down_counter, semconv.METRIC_ACTIVE, self._observe_active)
        for metric, figure in (
            (semconv.METRIC_POOL_ACTIVE, "workers_active"),
            (semconv.METRIC_POOL_WORKERS, "workers"),
            (semconv.METRIC_POOL_QUEUED, "queued"),
        ):
            _observable(meter.create_observable_gauge, metric, _PoolGauge(self.pools, figure, self._bounded))

    def count_running(self, running: InFlight) -> None:
        """Include the executions of *running* in the number in flight."""
        self._running.add(running)

    def ended(self, attributes: Mapping[str, Any], span: Span) -> None:
        """Queue an ended execution: its attributes and its span. Called on the task's thread."""
        if self._has_provider or self._find_provider():
            self._put(_Ended(attributes, span.get_span_context()))

    def totals_known(self, totals: "Mapping[str, TotalsChange]") -> None:
        """Queue the new cost and tokens of executions whose model calls were added up. Idempotent."""
        if self._has_provider:
            for execution_id, total in totals.items():
                self._put(_Added(execution_id, total))

    def _find_provider(self) -> bool:
        """Tell whether a global provider is set by now."""
        provider = getattr(_internal, "_METER_PROVIDER", None)  # the public function reads the environment each time
        if provider is None:
            return False
        self._has_provider = not isinstance(provider, NoOpMeterProvider)
        return self._has_provider

    def _put(self, item: "_Ended | _Added") -> None:
        pending = self._pending
        if len(pending) == _MOST_WAITING:
            self._warn_once("Executions end faster than metrics are recorded; some are missing in the metrics.")
        pending.append(item)
        if len(pending) >= _MANY and not self._is_draining and self._has_instruments:
            self._is_draining = True
            if not threads.start("learning_instrument-metrics", self._drain_in_background):
                self._is_draining = False  # the next execution tries again, and each collection drains

    def _drain_in_background(self) -> None:
        try:
            self.drain()
        finally:
            self._is_draining = False

    def drain(self) -> None:
        """Record the queued executions in the instruments, those included that other threads have taken."""
        check()
        turn = object()
        try:
            for record, value, attributes, context in self._lock.call(self._begin_recording, turn) or ():
                try:
                    record(value, attributes, context)
                except Exception:  # an instrument of another implementation; the others go on
                    self._warn_once("An execution is missing in the metrics.", exc_info=True)
        finally:
            self._recording.pop(turn, None)
        self._others_have_ended(_PATIENCE_SECONDS)

    def _begin_recording(self, turn: object) -> "list[_Measurement]":
        self._recording[turn] = threading.get_ident()
        return self._taken()

    def _others_have_ended(self, seconds: float) -> bool:
        """Wait until the other threads that record now have ended, at most *seconds*; tell whether they have."""
        own, deadline = threading.get_ident(), time.monotonic() + seconds
        turns = [turn for turn, thread in copy_of(self._recording.items()) if thread != own]
        while any(turn in self._recording for turn in turns):
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.001)
        return True

    def before_fork(self, undo: Undo) -> None:
        """Wait until no other thread records: the SDK's locks, which it holds, would stay locked in the child."""
        undo.wait(self._others_have_ended)

    def _taken(self) -> "list[_Measurement]":
        """Take what is queued; return what to record."""
        sums = _Sums()
        for _ in range(len(self._pending)):
            if not self._pending:  # a signal handler in this thread has drained the queue
                break
            try:
                item = self._pending.popleft()
                if isinstance(item, _Ended):
                    self._record(*item, sums)
                else:
                    self._record_total(*item, sums)
            except Exception:  # malformed attributes; the others go on
                self._warn_once("An execution is missing in the metrics.", exc_info=True)
        return sums.measurements()

    def _record(self, attributes: Mapping[str, Any], span: SpanContext, sums: "_Sums") -> None:
        get = attributes.get
        context = trace.set_span_in_context(NonRecordingSpan(span), Context()) if span.trace_flags.sampled else _NO_SPAN
        where = self._bounded.of(attributes, (semconv.POOL_TYPE, semconv.MODEL_TIER, semconv.TASK_TYPE))
        self._pool_types.add(where.get(semconv.POOL_TYPE))
        how = {**where, semconv.TASK_OUTCOME: attributes[semconv.TASK_OUTCOME]}
        defaulted = get(semconv.DEFAULTED, ())
        if "duration_seconds" not in defaulted:
            sums.alone.append((self._duration.record, attributes[semconv.TASK_DURATION], how, context))
        waited = get(semconv.QUEUE_DURATION)
        if waited is not None:
            sums.alone.append((self._queue.record, waited, where, context))
        error = get(semconv.ERROR_TYPE) or get(semconv.ERROR_KIND)
        if error is not None:
            how = {**how, semconv.ERROR_TYPE: self._bounded(semconv.ERROR_TYPE, error)}
        sums.add(self._executions, 1, how, context)
        counted = self._counted[attributes[semconv.EXECUTION_ID]] = _Counted(where, context)
        if len(self._counted) > _MOST_REMEMBERED:
            self._counted.popitem(last=False)
        cost = None if "actual_cost" in defaulted else get(semconv.COST_ACTUAL)
        self._count(counted, sums, cost, get(semconv.INPUT_TOKENS), get(semconv.OUTPUT_TOKENS))

    def _record_total(self, execution_id: str, change: "TotalsChange", sums: "_Sums") -> None:
        """Add the totals of model calls beyond the reported values; those of an unknown execution are dropped."""
        counted = self._counted.get(execution_id)
        if counted is not None:
            self._count(counted, sums, change.after, change.input_tokens, change.output_tokens)

    def _count(
        self,
        counted: "_Counted",
        sums: "_Sums",
        cost: float | None,
        input_tokens: int | None,
        output_tokens: int | None,
    ) -> None:
        """Add the excess over what was counted for this execution so far: a counter cannot decrease."""
        for counter, key, amount in (
            (self._cost, "", cost),
            (self._tokens, "input", input_tokens),
            (self._tokens, "output", output_tokens),
        ):
            before = counted.amounts.get(key)
            if amount is None or (before is not None and amount <= before):  # unknown is not 0
                continue
            counted.amounts[key] = amount
            attributes = {**counted.where, semconv.TOKEN_TYPE: key} if key else counted.where
            sums.add(counter, amount - (before or 0), attributes, counted.context)

    def _observe_active(self, _: CallbackOptions) -> list[Observation]:
        """Return the number of executions in flight by pool type, after recording the ended ones."""
        self.drain()
        active: dict[str | None, int] = dict.fromkeys(self._pool_types, 0)
        for running in copy_of(self._running):
            for execution_id, reference in copy_of(running.by_id.items()):
                execution = reference()
                if execution is None and running is self.own_running:
                    running.by_id.pop(execution_id, None)  # it was abandoned, and nothing else removes it
                if execution is None or execution.pipeline.record_metrics != self.ended:
                    continue
                attributes_so_far = execution.attributes_so_far()
                if attributes_so_far is not None:  # None while it ends
                    pool_type = attributes_so_far[1].get(semconv.POOL_TYPE)
                    pool_type = None if pool_type is None else self._bounded(semconv.POOL_TYPE, pool_type)
                    active[pool_type] = active.get(pool_type, 0) + 1
        self._pool_types.update(active)
        return [
            Observation(count, {} if pool_type is None else {semconv.POOL_TYPE: pool_type})
            for pool_type, count in active.items()
        ]

    def _warn_once(self, message: str, exc_info: bool = False) -> None:
        if message not in self._warned:
            self._warned.add(message)
            warn(log, message, exc_info=exc_info)

    def reset(self) -> None:
        """Forget all executions: in a forked child, those that run or are not yet recorded are the parent's."""
        self._is_draining = False
        self._recording.clear()
        self._warned: set[str] = set()
        self._pending.clear()
        self._counted: OrderedDict[str, _Counted] = OrderedDict()
        self.own_running.by_id.clear()
        self.pools.reset()


@dataclass(slots=True)
class _Counted:
    """The amounts counted for one execution."""

    where: Attributes
    context: Context
    #: Token type, or "" for the cost -> amount.
    amounts: dict[str, float] = field(default_factory=dict)


class BoundedValues:
    """Bounds the values of each attribute: the first ones, and one for all others."""

    def __init__(self) -> None:
        self._seen: dict[str, set[str]] = {}

    def __call__(self, key: str, value: str) -> str:
        """Return the *value* to use for the attribute *key*."""
        seen = self._seen.setdefault(key, set())
        if value not in seen:
            if len(seen) >= MOST_VALUES:
                return OTHER
            seen.add(value)
        return value

    def of(self, attributes: Mapping[str, Any], keys: Iterable[str]) -> Attributes:
        """Return the present ones among *attributes*."""
        return {key: self(key, value) for key in keys if (value := attributes.get(key)) is not None}


class _Sums:
    """Additions to counters: one sum for many executions, and the last one separately, for its exemplar."""

    def __init__(self) -> None:
        #: Measurements that are not added up.
        self.alone: list[_Measurement] = []
        self._sums: dict[tuple[Any, ...], tuple[Counter, Attributes, float, float, Context]] = {}

    def add(self, counter: Counter, amount: float, attributes: Attributes, context: Context) -> None:
        key = (counter, *attributes.items())
        earlier = self._sums.get(key)
        rest = 0 if earlier is None else earlier[2] + earlier[3]
        self._sums[key] = (counter, attributes, rest, amount, context)

    def measurements(self) -> list[_Measurement]:
        found = self.alone
        for counter, attributes, rest, last, context in self._sums.values():
            if rest:
                found.append((counter.add, rest, attributes, _NO_SPAN))
            found.append((counter.add, last, attributes, context))
        return found


@dataclass(frozen=True, slots=True)
class _PoolGauge:
    """The callback of one gauge over all observed pools."""

    pools: ObservedPools
    figure: str
    bounded: "BoundedValues"

    def __call__(self, _: CallbackOptions) -> list[Observation]:
        return [
            Observation(reading.figures[self.figure], self.bounded.of(reading.attributes, reading.attributes))
            for reading in self.pools.read()
            if self.figure in reading.figures
        ]


class _Default:
    """The meter provider of ``configure()``."""

    meter_provider: MeterProvider | None = None


_of_global: "Final[dict[None, ExecutionMetrics]]" = {}
_by_provider: "weakref.WeakKeyDictionary[MeterProvider, ExecutionMetrics]" = weakref.WeakKeyDictionary()


def use(meter_provider: MeterProvider | None) -> None:
    """Publish to *meter_provider* by default; None for the global one."""
    _Default.meter_provider = meter_provider


def in_use() -> MeterProvider | None:
    """Return the provider set by :func:`use`."""
    return _Default.meter_provider


def metrics_of(meter_provider: MeterProvider | None = None) -> ExecutionMetrics | None:
    """Return the metrics in *meter_provider*, by default that of :func:`use`; None for a no-op provider."""
    provider = meter_provider or _Default.meter_provider
    if isinstance(provider, NoOpMeterProvider):
        return None
    check()
    if provider is not None and provider is global_meter_provider():
        provider = None
    made: Any = _of_global if provider is None else _by_provider
    metrics: ExecutionMetrics | None = made.get(provider)
    if metrics is None:
        new = ExecutionMetrics(provider)
        metrics = made.setdefault(provider, new)  # of two threads, both get that of the first
        if metrics is new:
            try:
                metrics.create_instruments()
            except BaseException:  # raised again; the next call tries it anew
                made.pop(provider, None)
                raise
    return metrics


def observe_pool(pool: Any, read: Read | None = None, *, meter_provider: MeterProvider | None = None) -> None:
    """Publish the number of workers and the queue length of *pool* as gauges, as long as the pool lives.

    Each collection of metrics reads it on a thread of its own, and waits at most one second. A reading that is late or
    fails is missing in that collection, and delays nothing else.

    Args:
        pool: any object that takes weak references.
        read: ``pool -> figures``, or an async function of that kind; by default the pool's ``get_metrics()``. Figures
            are a mapping or an object with any of ``workers_active`` (or ``active_workers``), ``workers`` (or
            ``total_workers``) and ``queued``. An async function runs on the event loop that is running now, else on
            one of its own. It must not hold a reference to the pool, which would keep it alive.
        meter_provider: the provider of the gauges; by default that of ``configure()``, else the global one.

    Raises:
        ConfigurationError: for a pool that cannot be read or weakly referenced, or an invalid meter provider.
    """
    check_providers(None, meter_provider)
    observed = ObservedPool(pool, read)
    metrics = metrics_of(meter_provider)
    if metrics is not None:
        metrics.pools.add(observed)


def _histogram(meter: Meter, metric: tuple[str, str, str]) -> Histogram:
    return meter.create_histogram(*metric, explicit_bucket_boundaries_advisory=DURATION_BUCKETS)


def _observable(create: Callable[..., object], metric: tuple[str, str, str], callback: Callable[..., Any]) -> None:
    name, unit, description = metric
    create(name, [callback], unit, description)
