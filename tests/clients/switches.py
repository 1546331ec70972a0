"""How the spans of each instrumentation are switched on: ``switch(wire's URL)``, before the library is used."""

import os
from importlib import import_module
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider


def _instrument(module: str, name: str) -> None:
    instrumentor: Any = getattr(import_module(module), name)
    instrumentor().instrument()


def openinference_openai(url: str) -> None:
    _instrument("openinference.instrumentation.openai", "OpenAIInstrumentor")


def openinference_anthropic(url: str) -> None:
    _instrument("openinference.instrumentation.anthropic", "AnthropicInstrumentor")


def openinference_google_genai(url: str) -> None:
    _instrument("openinference.instrumentation.google_genai", "GoogleGenAIInstrumentor")


def openinference_langchain(url: str) -> None:
    _instrument("openinference.instrumentation.langchain", "LangChainInstrumentor")


def openinference_litellm(url: str) -> None:
    _instrument("openinference.instrumentation.litellm", "LiteLLMInstrumentor")


def openinference_smolagents(url: str) -> None:
    _instrument("openinference.instrumentation.smolagents", "SmolagentsInstrumentor")


def openinference_openai_agents(url: str) -> None:
    _instrument("openinference.instrumentation.openai_agents", "OpenAIAgentsInstrumentor")


def opentelemetry_google_genai(url: str) -> None:
    _instrument("opentelemetry.instrumentation.google_genai", "GoogleGenAiSdkInstrumentor")


def traceloop_openai(url: str) -> None:
    _instrument("opentelemetry.instrumentation.openai", "OpenAIInstrumentor")


def traceloop_anthropic(url: str) -> None:
    _instrument("opentelemetry.instrumentation.anthropic", "AnthropicInstrumentor")


def traceloop_langchain(url: str) -> None:
    _instrument("opentelemetry.instrumentation.langchain", "LangchainInstrumentor")


def pydantic_ai(url: str) -> None:
    from pydantic_ai import Agent

    Agent.instrument_all()


def logfire_openai(url: str) -> None:
    import logfire

    logfire.instrument_openai()


def logfire_anthropic(url: str) -> None:
    import logfire

    logfire.instrument_anthropic()


def logfire_openai_agents(url: str) -> None:
    import logfire

    logfire.instrument_openai_agents()


def langfuse(url: str) -> None:
    os.environ.update(LANGFUSE_PUBLIC_KEY="pk-lf-none", LANGFUSE_SECRET_KEY="sk-lf-none", LANGFUSE_HOST=url)
    import_module("langfuse").get_client()


def mlflow(url: str) -> None:
    os.environ["MLFLOW_USE_DEFAULT_TRACER_PROVIDER"] = "false"
    # Instead of a tracking server.
    os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = f"{url}/v1/traces"
    os.environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = "http/protobuf"
    import_module("mlflow.openai").autolog()
    with import_module("mlflow").start_span("start"):  # joins its processors to the provider
        pass


def litellm(url: str) -> None:
    os.environ["USE_OTEL_LITELLM_REQUEST_SPAN"] = "true"
    import_module("litellm").callbacks = ["otel"]


def built_in(url: str) -> None:
    """Nothing is to be done: the client makes spans where there is a tracer provider."""


def make_provider(switches: list[str]) -> None:
    """Make the global tracer provider that an application with these switches has."""
    if any(name.startswith("logfire") for name in switches):
        import logfire

        logfire.configure(send_to_logfire=False, console=False)
    else:
        trace.set_tracer_provider(TracerProvider())
