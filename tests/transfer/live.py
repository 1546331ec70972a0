"""An application that is recorded live, with its model calls, and the OTLP that a collector gets of it."""

import base64
import json
from pathlib import Path

from calls import usage
from google.protobuf import json_format
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from learning_instrument import LearningDatabase, configure, record_execution, shutdown

PRICES = "[m]\ninput = 1.0\noutput = 1.0\n"
TABLES = {
    "executions": "execution_id, actual_cost, cost_estimate, cost_source, model, input_tokens, output_tokens,"
    " user_accepted, user_rating, defaulted",
    "model_calls": "*",
    "reported_costs": "*",
    "feedback": "execution_id, timestamp, accepted, rating, comment, source, visibility",
}


def recorded(path, tasks=2):
    """Record tasks that each call a model thrice, once within a span of a framework; return their spans."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    configure(path, tracer_provider=provider)
    tracer = provider.get_tracer("framework", "1.2")

    @record_execution
    def work(task):
        with tracer.start_as_current_span("step"):
            for _ in range(2):
                with tracer.start_as_current_span("chat", attributes=usage(tokens=(1000, 100))):
                    pass
        with tracer.start_as_current_span("odd", attributes={"gen_ai.operation.name": "converse"}):
            pass
        with tracer.start_as_current_span("chat", attributes=usage("other", tokens=(7, 3), cost=0.25)):
            pass
        return {"cost": 0.5}

    for number in range(tasks):
        work({"task_type": "review", "task_id": f"{number:08x}-0000-4000-8000-000000000000"})
    shutdown()
    return spans.get_finished_spans()


def message(spans):
    """Return the request that an exporter sends, with ids in base64: protobuf's own JSON."""
    return encode_spans(spans)


def document(spans):
    """Return the request as OTLP's JSON has it: with ids in hexadecimal digits."""
    return _with_digits(json.loads(json_format.MessageToJson(message(spans))))


def _with_digits(value):
    if isinstance(value, dict):
        return {
            name: base64.b64decode(member).hex()
            if name in ("traceId", "spanId", "parentSpanId")
            else _with_digits(member)
            for name, member in value.items()
        }
    return [_with_digits(member) for member in value] if isinstance(value, list) else value


def tables(path):
    """Return what a database holds of executions, in the order of their ids."""
    with LearningDatabase(path) as database:
        return {
            table: sorted(map(repr, database.query(f"SELECT {columns} FROM {table}")))
            for table, columns in TABLES.items()
        }


def written(path, *documents):
    """Write documents to a file, one a line, and text as it is; return its path."""
    lines = [line if isinstance(line, str) else json.dumps(line) for line in documents]
    Path(path).write_text("\n".join(lines) + "\n")
    return str(path)
