"""An application that records into a database and exports to a collector: executions of every kind.

    python collected.py DATABASE

The rest is OpenTelemetry's own environment. It prints, as JSON, the trace id and span id of each execution.
"""

import asyncio
import contextlib
import json
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from strategies import EXCEPTIONS, NAMES, ODDITIES

from learning_instrument import configure, current_execution, record_execution

EXPORTERS = {"grpc": GrpcExporter, "http/protobuf": HttpExporter}
TEXTS = (
    "Grüße, 世界 \N{PILE OF POO}",
    "e\u0301 \u202eright to left",
    "half an emoji: \ud83d",
    "\udfff\ud800",
    "NUL \x00, and \x1b[31mred",
    "long " * 10_000,
)
SECRETS = ("a1b2c3d4e5f6g7h8", "correcthorsebatterystaple")

recorded = []


def note(span, instance, task):
    """Note the ids under which an execution goes."""
    ids = span.get_span_context()
    recorded.append((f"{ids.trace_id:032x}", f"{ids.span_id:016x}"))


noted = record_execution(request_hook=note)


@noted
def execute_task(task, act):
    return act()


@noted
async def execute_async(task, act):
    await asyncio.sleep(0)
    return await act()


@noted
def generate(task):
    yield from range(3)


@noted
def submit(task, threads):
    return threads.submit(dict, success=True)


class BatchPool:
    @record_execution(batch=True, request_hook=note)
    def execute_batch(self, tasks):
        """Answer for each task but the last, without any call that is recorded."""
        return [{"task_id": task["task_id"], "status": "completed", "cost": 0.5} for task in tasks[:-1]]


class ItemPool:
    @noted
    def execute_task(self, task):
        return {"quality_score": 75.5}

    @record_execution(batch=True, request_hook=note)
    def execute_batch(self, tasks):
        return [self.execute_task(task) for task in tasks]


def raising(error):
    raise error


def one_after_another():
    for make in ODDITIES.values():
        execute_task(make(), make)
        execute_task(dict.fromkeys(NAMES, make()), lambda make=make: dict.fromkeys(NAMES, make()))
    for make in EXCEPTIONS.values():
        with contextlib.suppress(BaseException):
            execute_task({"task_type": "raises"}, lambda make=make: raising(make()))
    for secret in SECRETS:
        told = f"It needs API_KEY={secret} and https://bob:{secret}@example.org/"
        task = {
            "prompt": told,
            "repo": f"https://bob:{secret}@example.org/",
            "metadata": {"password": secret, told: told},
        }
        execute_task(task, lambda told=told: {"error": told, "solution_summary": told})
        with contextlib.suppress(ConnectionError):
            execute_task(task, lambda told=told: raising(ConnectionError(told)))
    for text in TEXTS:
        failed = {"status": "failed", "error": text, "solution_summary": text}
        execute_task({"task_type": text, "prompt": text, "repo": text}, lambda failed=failed: failed)
        with contextlib.suppress(ConnectionError):
            execute_task({"metadata": {text: [text]}}, lambda text=text: raising(ConnectionError(text)))
    assert list(generate({"task_type": "generates"})) == [0, 1, 2]
    generate({"task_type": "closes early"}).__next__()
    for pool in (BatchPool(), ItemPool()):
        for size in (0, 1, 5, 20):
            pool.execute_batch([{"task_id": f"{type(pool).__name__} {size} {n}"} for n in range(size)])


async def at_once():
    async def say_tokens():
        current_execution().set(model="small-1", input_tokens=1000, output_tokens=10, queue_seconds=0.25)
        await asyncio.sleep(0.01)

    async def too_long():
        await asyncio.wait_for(asyncio.sleep(60), 0.01)

    def within(act, levels):
        return act if not levels else lambda: execute_async({"task_type": f"level {levels}"}, within(act, levels - 1))

    waiting = [asyncio.create_task(execute_async({"task_type": "cancelled"}, asyncio.Event().wait)) for _ in range(10)]
    await asyncio.gather(*(within(say_tokens, 3)() for _ in range(50)))
    await asyncio.gather(*(within(too_long, 2)() for _ in range(10)), return_exceptions=True)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def in_threads():
    with ThreadPoolExecutor(4) as threads:
        for n in range(50):
            submit({"task_id": f"thread {n}"}, threads)


def exporting(**options):
    """Return a provider that exports by the protocol of the environment."""
    provider = TracerProvider(**options)
    provider.add_span_processor(BatchSpanProcessor(EXPORTERS[os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"]]()))
    return provider


def main(path):
    logging.disable()  # loud objects are warned of
    provider, always = exporting(), exporting(sampler=sampling.ALWAYS_ON)
    configure(path, tracer_provider=provider)
    with provider.get_tracer("application").start_as_current_span("one after another"):
        one_after_another()
    asyncio.run(at_once())
    in_threads()
    provider.shutdown()
    always.get_tracer("application").start_span("always sampled").end()
    always.shutdown()
    print(json.dumps(recorded))


if __name__ == "__main__":
    main(sys.argv[1])
