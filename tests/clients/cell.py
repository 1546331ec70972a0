"""Runs a library's cells, each in a fork, and prints them: ``python -m tests.clients.cell LIBRARY {MODE: SWITCHES}``.

The forks share what takes seconds: the library's import, and the price list. Nothing is switched on before them.
"""

import contextlib
import contextvars
import importlib
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
import traceback
import warnings
from pathlib import Path
from typing import Any, Final

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import learning_instrument

from . import libraries, switches
from .wire import Answer, Usage, Wire

#: How many calls are made at a time.
PARALLEL: Final = 3
#: How long a cell may take.
_SECONDS: Final = 60
_CACHED: Final = {
    "anthropic": Usage(3000, 50, cached=2000, cache_write=500, cache_write_1h=200),
    "": Usage(3000, 50, cached=2000, reasoning=20),
}
_SHOWN: Final = ("usage", "token", "cost", "model", "response.id", "finish", "operation", "kind", "provider", "system")
_HIDDEN: Final = ("message", "prompts", "invocation", "instructions", "definitions", "metadata", "logfire.", "request_")


def run(library: str, names: list[str], mode: str) -> dict[str, Any]:
    """Run one cell and return what the wire told, what was recorded, and the spans in short."""
    with tempfile.TemporaryDirectory() as folder, Wire() as wire:
        os.environ.update(OPENAI_BASE_URL=f"{wire.url}/v1", ANTHROPIC_BASE_URL=wire.url)
        if mode == "cached":
            wire.usage = _CACHED["anthropic" if "anthropic" in library else ""]
        wire.errors = [500] if mode == "retry" else []
        wire.breaks_after = 1 if "google" in library else 2
        if mode != "broken":
            wire.breaks_after = None
        switches.make_provider(names)
        ended = InMemorySpanExporter()
        provider: Any = trace.get_tracer_provider()
        provider.add_span_processor(SimpleSpanProcessor(ended))
        for name in names:
            getattr(switches, name)(wire.url)
        ask = getattr(libraries, library)(wire.url)
        learning_instrument.configure(Path(folder, "learning.db"))
        errors = _record(ask, mode)
        if "litellm" in names:
            time.sleep(2)  # its callback makes the span in a thread of its own
        learning_instrument.shutdown()
        with learning_instrument.LearningDatabase(Path(folder, "learning.db")) as database:
            (execution,) = database.query("SELECT * FROM executions")
            calls = database.query("SELECT * FROM model_calls")
        return {
            "wire": _truth(wire.answers),
            "errors": errors,
            "execution": execution,
            "calls": calls,
            "spans": [_in_short(span) for span in ended.get_finished_spans()],
        }


def _record(ask: libraries.Ask, mode: str) -> list[str]:
    """Ask within one recorded task; return the errors that the library raised."""
    errors: list[str] = []

    def ask_once() -> None:
        try:
            ask(mode in ("stream", "broken"))
        except Exception as error:
            errors.append(f"{type(error).__qualname__}: {error}"[:200])

    @learning_instrument.record_execution
    def execute_task(task: dict[str, str]) -> None:
        if mode == "parallel":
            runs = [contextvars.copy_context().run for _ in range(PARALLEL)]
            threads = [threading.Thread(target=run, args=(ask_once,)) for run in runs]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return
        ask_once()
        if mode == "retry" and errors:
            ask_once()

    execute_task({"task_type": mode})
    return errors


def _truth(answers: list[Answer]) -> dict[str, float]:
    """Return what the answers told, priced by the list that prices the recorded calls."""
    cost = sum(
        calc_price(
            PricedUsage(
                input_tokens=usage.input,
                output_tokens=usage.output,
                cache_read_tokens=usage.cached,
                cache_write_tokens=usage.cache_write,
                cache_write_1h_tokens=usage.cache_write_1h,
            ),
            model,
            provider_id=provider,
        ).total_price
        for provider, model, usage in answers
    )
    return {
        "answers": len(answers),
        "input_tokens": sum(answer.usage.input for answer in answers),
        "output_tokens": sum(answer.usage.output for answer in answers),
        "cost": float(cost),
    }


def _in_short(span: ReadableSpan) -> str:
    scope = "" if span.instrumentation_scope is None else span.instrumentation_scope.name
    attributes = [
        f"{key}={str(value)[:120]}"
        for key, value in sorted((span.attributes or {}).items())
        if any(part in key.lower() for part in _SHOWN) and not any(part in key for part in _HIDDEN)
    ]
    parent = "root" if span.parent is None else f"below {span.parent.span_id:016x}"
    context: Any = span.context
    took = ((span.end_time or 0) - (span.start_time or 0)) / 1e6
    ids = f"{context.span_id:016x} {parent}, {took:.1f} ms, {span.status.status_code.name}"
    return f"{scope} | {span.name} | {ids} | {'; '.join(attributes)}"


def main(library: str, cells: dict[str, list[str]]) -> dict[str, Any]:
    """Run the cells of *library*, mode -> names of switches, and return what each found."""
    os.environ.update(OPENAI_API_KEY="none", ANTHROPIC_API_KEY="none", GEMINI_API_KEY="none")
    os.environ.update(LITELLM_LOCAL_MODEL_COST_MAP="True", TRACELOOP_TRACE_CONTENT="false")
    for module in libraries.MODULES[library]:
        importlib.import_module(module)
    calc_price(PricedUsage(input_tokens=1), "gpt-4o-mini", provider_id="openai")
    return {mode: _in_a_fork(library, names, mode) for mode, names in cells.items()}


def _in_a_fork(library: str, names: list[str], mode: str) -> dict[str, Any]:
    ours, theirs = multiprocessing.Pipe(duplex=False)

    def child() -> None:
        try:
            theirs.send(run(library, names, mode))
        except BaseException:
            theirs.send({"failed": traceback.format_exc()})
        os._exit(0)  # some clients wait at exit for their vendor's server

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    found: dict[str, Any] = ours.recv() if ours.poll(_SECONDS) else {"failed": f"no end after {_SECONDS} seconds"}
    process.kill()
    process.join()
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):
        found = main(sys.argv[1], json.loads(sys.argv[2]))
    print(json.dumps(found))
