"""The clients of models: which are installed here, and the line that switches on the spans of each, as data.

``docs/how-to/model-calls.md`` has the same lines.
"""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final, NamedTuple


class Client(NamedTuple):
    """A client, by its distributions: one of them is enough."""

    name: str
    distributions: tuple[str, ...]
    #: What is called once, after ``configure()``; None: the client makes spans itself.
    line: str | None = None
    #: The module of what the line names.
    module: str | None = None
    #: The distribution that has that module; None: the client's own.
    needs: str | None = None


def _openinference(name: str, distributions: tuple[str, ...], package: str, instrumentor: str) -> Client:
    """Return a client that OpenInference instruments."""
    return Client(
        name,
        distributions,
        f"{instrumentor}().instrument()",
        f"openinference.instrumentation.{package.replace('-', '_')}",
        f"openinference-instrumentation-{package}",
    )


#: Frameworks stand after the clients that they call: a call that both tell of counts once.
CLIENTS: Final = (
    _openinference("OpenAI", ("openai",), "openai", "OpenAIInstrumentor"),
    Client("Anthropic", ("anthropic",)),
    _openinference("Google GenAI", ("google-genai",), "google-genai", "GoogleGenAIInstrumentor"),
    _openinference("litellm", ("litellm",), "litellm", "LiteLLMInstrumentor"),
    _openinference("LangChain, LangGraph", ("langchain-core",), "langchain", "LangChainInstrumentor"),
    _openinference("smolagents", ("smolagents",), "smolagents", "SmolagentsInstrumentor"),
    _openinference("OpenAI Agents", ("openai-agents",), "openai-agents", "OpenAIAgentsInstrumentor"),
    _openinference("LlamaIndex", ("llama-index-core",), "llama-index", "LlamaIndexInstrumentor"),
    _openinference("DSPy", ("dspy", "dspy-ai"), "dspy", "DSPyInstrumentor"),
    _openinference("Groq", ("groq",), "groq", "GroqInstrumentor"),
    _openinference("Mistral AI", ("mistralai",), "mistralai", "MistralAIInstrumentor"),
    Client("pydantic-ai", ("pydantic-ai-slim", "pydantic-ai"), "Agent.instrument_all()", "pydantic_ai"),
    Client("Strands", ("strands-agents",)),
    Client("logfire", ("logfire",), "logfire.instrument_openai()", "logfire"),
    Client("Langfuse", ("langfuse",), "from langfuse.openai import openai", "langfuse"),
    Client("MLflow", ("mlflow", "mlflow-skinny"), "mlflow.openai.autolog()", "mlflow"),
)


def installed() -> Iterator[tuple[Client, str]]:
    """Yield the clients that are installed in this environment, and their versions; none is imported."""
    for client in CLIENTS:
        for distribution in client.distributions:
            found = _version_of(distribution)
            if found is not None:
                yield client, found
                break


def how_to(client: Client) -> str:
    """Return what switches on the spans of *client*."""
    if client.line is None:
        return "nothing to do: it makes spans where there is a tracer provider"
    imported = f"{client.line} (from {client.module})" if not client.line.startswith("from ") else client.line
    if client.needs is None or _version_of(client.needs) is not None:
        return imported
    return f"pip install {client.needs}, then {imported}"


def _version_of(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
