"""A bare span with our metrics made by hand: the same instruments, and the same attributes."""

from collections.abc import Iterable
from time import perf_counter
from typing import Any

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider

from learning_instrument import semconv
from learning_instrument.pipeline.metrics import DURATION_BUCKETS

from .spans import provider_of
from .timing import Variant
from .workload import DiscardingExporter, Method, Result, Task, pool_of


def bare_span_and_instruments(name: str, meter_provider: MeterProvider) -> Variant:
    """Return the method in a bare span, within which a call is measured as ours measures it."""
    provider = provider_of(DiscardingExporter())
    tracer = provider.get_tracer("benchmark")
    meter = meter_provider.get_meter("benchmark")
    duration = meter.create_histogram(*semconv.METRIC_DURATION, explicit_bucket_boundaries_advisory=DURATION_BUCKETS)
    executions, cost = (meter.create_counter(*metric) for metric in (semconv.METRIC_EXECUTIONS, semconv.METRIC_COST))
    active = 0

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(active, {semconv.POOL_TYPE: "local"})]

    active_name, unit, description = semconv.METRIC_ACTIVE
    meter.create_observable_up_down_counter(active_name, [observe], unit, description)

    def decorate(method: Method) -> Method:
        async def execute_task(self: Any, task: Task) -> Result:
            nonlocal active
            with tracer.start_as_current_span("execute_task"):
                active += 1
                started = perf_counter()
                result: Result = await method(self, task)
                seconds = perf_counter() - started
                active -= 1
                where = {
                    semconv.POOL_TYPE: self.pool_type,
                    semconv.MODEL_TIER: result["model_tier"],
                    semconv.TASK_TYPE: task["task_type"],
                }
                how = {**where, semconv.TASK_OUTCOME: "succeeded"}
                duration.record(seconds, how)
                executions.add(1, how)
                cost.add(result["cost"], where)
                return result

        return execute_task

    def drain() -> None:
        provider.force_flush()
        meter_provider.force_flush()  # collects

    return Variant(name, pool_of(decorate, is_async=True).execute_task, drain, is_async=True)
