"""Libraries that call models, with their own instrumentation, inside a recorded task, and a collector beside.

All offline. Needs the ``integration`` extra.
"""

import subprocess
import sys

import pytest
from collector import Rotel, Sink, forwarding_to, why_rotel_cannot_run
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from learning_instrument import configure, record_execution

pytestmark = pytest.mark.slow


class Collector:
    """A real collector: where spans are sent, and what arrived behind it."""

    def __init__(self, rotel, sink):
        self.endpoint = f"{rotel.endpoints['http/protobuf']}/v1/traces"
        self._rotel = rotel
        self._sink = sink

    def processor(self):
        return SimpleSpanProcessor(OTLPSpanExporter(self.endpoint))

    def spans(self):
        """Return all spans that arrived; none comes after it."""
        self._rotel.stop()
        return self._sink.spans()


@pytest.fixture
def collector(tmp_path):
    if reason := why_rotel_cannot_run():
        pytest.skip(reason)
    with Sink() as sink, Rotel(forwarding_to(sink.url), tmp_path / "rotel.log") as rotel:
        yield Collector(rotel, sink)


@pytest.fixture
def provider(collector):
    """The application's own provider, which exports to the collector."""
    provider = TracerProvider()
    provider.add_span_processor(collector.processor())
    trace.set_tracer_provider(provider)
    return provider


def chats(collector):
    return [span for span in collector.spans() if span.attributes.get("gen_ai.operation.name") == "chat"]


def summed(spans, key):
    return sum(span.attributes.get(key, 0) for span in spans)


async def test_pydantic_ai(database, provider, collector):
    """An agent with a tool calls its model twice; the agent's own totals are not added."""
    pydantic_ai = pytest.importorskip("pydantic_ai")
    from pydantic_ai.models.instrumented import InstrumentationSettings
    from pydantic_ai.models.test import TestModel

    configure(database)
    agent = pydantic_ai.Agent(TestModel())
    agent.instrument = InstrumentationSettings()

    @agent.tool_plain
    def double(number: int) -> int:
        return 2 * number

    used = []

    @record_execution
    async def execute_task(task):
        result = await agent.run(task["prompt"])
        used.append(result.usage)
        return {"success": True}

    await execute_task({"prompt": "What is twice two?"})

    (row,) = database.query("SELECT * FROM executions")
    rows = database.query("SELECT * FROM model_calls WHERE operation = 'chat'")
    spans = chats(collector)
    assert len(rows) == len(spans) == used[0].requests == 2
    assert row["input_tokens"] == used[0].input_tokens == summed(spans, "gen_ai.usage.input_tokens")
    assert row["output_tokens"] == used[0].output_tokens == summed(spans, "gen_ai.usage.output_tokens")
    assert (row["model"], row["cost_source"]) == ("test", "unpriced")  # a model without a price
    assert {call["provider"] for call in rows} == {"test"}
    stored = "".join(str(value) for call in rows for value in call.values())
    assert "twice two" not in stored


LITELLM = """
import sys, time
import litellm
from learning_instrument import configure, record_execution
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

ended = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
for exporter in (OTLPSpanExporter(sys.argv[4]), ended):
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
configure(sys.argv[1])
litellm.callbacks = ["otel"]
litellm.suppress_debug_info = True
own = []


@record_execution
def execute_task(task):
    for number in range(task["calls"]):
        question = [{"role": "user", "content": "SECRET"}]
        response = litellm.completion("gpt-4o-mini", question, mock_response="SECRET " * (number + 1))
        own.append((response.usage.prompt_tokens, response.usage.completion_tokens))
    time.sleep(task["wait"])
    return {"success": True, "cost": 1.0}


calls = int(sys.argv[2])
execute_task({"calls": calls, "wait": float(sys.argv[3])})
deadline = time.monotonic() + 30
while time.monotonic() < deadline:
    if sum("gen_ai.cost.total_cost" in span.attributes for span in ended.get_finished_spans()) >= calls:
        break
    time.sleep(0.05)
print(sum(i for i, _ in own), sum(o for _, o in own))
"""


def run_litellm(database, collector, monkeypatch, calls, wait, request_span):
    pytest.importorskip("litellm")
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    monkeypatch.setenv("USE_OTEL_LITELLM_REQUEST_SPAN", request_span)
    # In a process of its own: importing it changes warnings, logging and the environment.
    program = [sys.executable, "-c", LITELLM, database.path, str(calls), str(wait), collector.endpoint]
    done = subprocess.run(program, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    input_tokens, output_tokens = map(int, done.stdout.split()[-2:])
    spans = [span for span in collector.spans() if "gen_ai.cost.total_cost" in span.attributes]
    assert summed(spans, "gen_ai.usage.input_tokens") == input_tokens
    assert summed(spans, "gen_ai.usage.output_tokens") == output_tokens
    return input_tokens, output_tokens, summed(spans, "gen_ai.cost.total_cost"), len(spans)


def test_litellm_with_a_span_for_each_request(database, collector, monkeypatch):
    """They start and end in the background, when the task has returned; its reported cost is what is summed."""
    input_tokens, output_tokens, cost, spans = run_litellm(database, collector, monkeypatch, 3, 0, "true")

    (row,) = database.query("SELECT * FROM executions")
    assert spans == 3
    assert (row["input_tokens"], row["output_tokens"]) == (input_tokens, output_tokens)
    assert row["actual_cost"] == pytest.approx(cost, rel=1e-12)
    assert (row["model"], row["cost_source"]) == ("gpt-4o-mini", "reported")
    assert database.query("SELECT cost FROM reported_costs") == [{"cost": 1.0}]
    stored = database.query("SELECT * FROM model_calls")
    assert len(stored) == 3
    assert "SECRET" not in str(stored)


def test_litellm_that_writes_onto_the_executions_span(database, collector, monkeypatch):
    """As it does unless told otherwise: one call for each execution can be seen, where the task still runs."""
    input_tokens, output_tokens, cost, _ = run_litellm(database, collector, monkeypatch, 1, 2, "false")

    (row,) = database.query("SELECT * FROM executions")
    assert (row["input_tokens"], row["output_tokens"], row["cost_source"]) == (input_tokens, output_tokens, "reported")
    assert row["actual_cost"] == pytest.approx(cost, rel=1e-12)


def test_openinference(database, collector):
    """Its own tracer and attributes: ``llm.token_count.*``."""
    openinference = pytest.importorskip("openinference.instrumentation")
    provider = openinference.TracerProvider()
    provider.add_span_processor(collector.processor())
    tracer = provider.get_tracer("an instrumentor")
    configure(database, tracer_provider=provider)

    @tracer.llm
    def ask(question: str) -> str:
        trace.get_current_span().set_attributes(
            openinference.get_llm_attributes(
                provider="openai",
                model_name="gpt-4o-mini",
                token_count={"prompt": 1_000_000, "completion": 500_000, "prompt_details": {"cache_read": 400_000}},
            )
        )
        return "an answer"

    @tracer.agent
    def agent(question: str) -> str:
        return ask(question) + ask(question)

    record_execution(lambda task: agent("a question"))({})

    (row,) = database.query("SELECT * FROM executions")
    spans = collector.spans()
    assert (row["model"], row["input_tokens"], row["output_tokens"]) == ("gpt-4o-mini", 2_000_000, 1_000_000)
    assert row["input_tokens"] == summed(spans, "llm.token_count.prompt")
    # 600,000 at $0.15, 400,000 from the cache at $0.075, 500,000 at $0.60; twice.
    assert (row["actual_cost"], row["cost_source"]) == (0.84, "priced")
    assert [call["cached_tokens"] for call in database.query("SELECT * FROM model_calls")] == [400_000] * 2
