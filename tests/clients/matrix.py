"""Which clients are run, in which modes, and why a cell may be less than equal: data."""

from collections.abc import Mapping
from typing import Final, NamedTuple

MODES: Final = ("plain", "stream", "broken", "cached", "retry", "parallel", "twice")
_NO_STREAM: Final = ("plain", "retry", "parallel", "twice")

PARTIAL: Final = "partial"
UNPRICED: Final = "unpriced"
#: No cost at all, as that of a task that calls no model.
UNKNOWN: Final = "unknown"
#: What the span tells, which is not what the wire told.
AS_TOLD: Final = "as told"


class Reason(NamedTuple):
    """Why a cell is not equal: what the recorded cost is instead, and the client's doing."""

    verdict: str
    why: str
    #: Of AS_TOLD, what is recorded: the tokens in and out, and US dollars.
    recorded: tuple[int, int, float] | None = None


class Client(NamedTuple):
    """A library and what makes spans of its calls."""

    #: As the table calls it.
    name: str
    spans: str
    #: Names of :mod:`.libraries` and :mod:`.switches`.
    library: str
    switch: str
    #: What is switched on besides in the mode ``twice``.
    second: str
    #: Whose versions the table names.
    packages: tuple[str, ...]
    #: Mode -> the reason why it is not equal; a mode that is not here must be.
    reasons: Mapping[str, Reason]
    modes: tuple[str, ...] = MODES
    environment: str = "newest"


OPENAI_BROKEN: Final = {"broken": Reason(UNPRICED, "the usage is in the last chunk, which did not come")}
ANTHROPIC_BROKEN: Final = {
    "broken": Reason(PARTIAL, "the first chunk tells the input; the output's count is in the last")
}

#: Spans that look like those of a request that was refused, which costs nothing.
REFUSED: Final = {"broken": Reason(UNKNOWN, "its span has an error, and nothing says that an answer had begun")}
NO_CACHE: Final = Reason(AS_TOLD, "the span does not tell what came from the cache", (3000, 50, 0.00048))
NO_HOUR: Final = Reason(AS_TOLD, "the span does not tell which cache writes are for an hour", (3000, 50, 0.004725))
ROOTS: Final = Reason(UNKNOWN, "the callback makes the span of a stream as a root of its own")

CLIENTS: Final = (
    Client(
        "OpenAI chat completions", "OpenInference", "openai_chat", "openinference_openai", "traceloop_openai",
        ("openai", "openinference-instrumentation-openai"), OPENAI_BROKEN,
    ),
    Client(
        "OpenAI chat completions", "Traceloop", "openai_chat", "traceloop_openai", "logfire_openai",
        ("openai", "opentelemetry-instrumentation-openai"), OPENAI_BROKEN,
    ),
    Client(
        "OpenAI chat completions", "Logfire", "openai_chat", "logfire_openai", "openinference_openai",
        ("openai", "logfire"), OPENAI_BROKEN,
    ),
    Client(
        "OpenAI chat completions", "Langfuse", "langfuse_openai", "langfuse", "openinference_openai",
        ("openai", "langfuse"), OPENAI_BROKEN,
    ),
    Client(
        "OpenAI chat completions", "MLflow", "openai_chat", "mlflow", "openinference_openai",
        ("openai", "mlflow-tracing"), OPENAI_BROKEN,
    ),
    Client(
        "OpenAI responses", "OpenInference", "openai_responses", "openinference_openai", "traceloop_openai",
        ("openai", "openinference-instrumentation-openai"), OPENAI_BROKEN,
    ),
    Client(
        "OpenAI responses", "Traceloop", "openai_responses", "traceloop_openai", "logfire_openai",
        ("openai", "opentelemetry-instrumentation-openai"), REFUSED,
    ),
    Client(
        "OpenAI responses", "Logfire", "openai_responses", "logfire_openai", "openinference_openai",
        ("openai", "logfire"), OPENAI_BROKEN,
    ),
    Client(
        "OpenAI embeddings", "OpenInference", "openai_embeddings", "openinference_openai", "traceloop_openai",
        ("openai", "openinference-instrumentation-openai"), {}, _NO_STREAM,
    ),
    Client(
        "OpenAI embeddings", "Traceloop", "openai_embeddings", "traceloop_openai", "openinference_openai",
        ("openai", "opentelemetry-instrumentation-openai"), {}, _NO_STREAM,
    ),
    Client(
        "Anthropic", "its own", "anthropic", "built_in", "openinference_anthropic", ("anthropic",), ANTHROPIC_BROKEN,
    ),
    Client(
        "Anthropic", "its own and Traceloop", "anthropic", "traceloop_anthropic", "openinference_anthropic",
        ("anthropic", "opentelemetry-instrumentation-anthropic"), ANTHROPIC_BROKEN,
    ),
    Client(
        "Anthropic", "its own and Logfire", "anthropic", "logfire_anthropic", "traceloop_anthropic",
        ("anthropic", "logfire"), ANTHROPIC_BROKEN,
    ),
    Client(
        "Google GenAI", "OpenInference", "google_genai", "openinference_google_genai", "",
        ("google-genai", "openinference-instrumentation-google-genai"), OPENAI_BROKEN, MODES[:-1],
    ),
    Client(
        "Google GenAI", "OpenTelemetry", "google_genai", "opentelemetry_google_genai", "openinference_google_genai",
        ("google-genai", "opentelemetry-instrumentation-google-genai"), OPENAI_BROKEN, environment="older",
    ),
    Client(
        "LangChain, OpenAI", "OpenInference", "langchain_openai", "openinference_langchain", "openinference_openai",
        ("langchain-openai", "openinference-instrumentation-langchain"), OPENAI_BROKEN,
    ),
    Client(
        "LangChain, OpenAI", "Traceloop", "langchain_openai", "traceloop_langchain", "openinference_openai",
        ("langchain-openai", "opentelemetry-instrumentation-langchain"), REFUSED,
    ),
    Client(
        "LangChain, Anthropic", "OpenInference and Anthropic's", "langchain_anthropic", "openinference_langchain",
        "traceloop_langchain", ("langchain-anthropic", "openinference-instrumentation-langchain"), ANTHROPIC_BROKEN,
    ),
    Client(
        "pydantic-ai, OpenAI chat", "its own", "pydantic_ai_chat", "pydantic_ai", "openinference_openai",
        ("pydantic-ai-slim",), OPENAI_BROKEN,
    ),
    Client(
        "pydantic-ai, OpenAI responses", "its own", "pydantic_ai_responses", "pydantic_ai", "traceloop_openai",
        ("pydantic-ai-slim",), OPENAI_BROKEN,
    ),
    Client(
        "pydantic-ai, Anthropic", "its own and Anthropic's", "pydantic_ai_anthropic", "pydantic_ai",
        "openinference_anthropic", ("pydantic-ai-slim", "anthropic"), ANTHROPIC_BROKEN,
    ),
    Client(
        "litellm", "OpenInference", "litellm", "openinference_litellm", "openinference_openai",
        ("litellm", "openinference-instrumentation-litellm"), OPENAI_BROKEN,
    ),
    Client(
        "litellm", "its callback", "litellm", "litellm", "openinference_litellm", ("litellm",),
        {"stream": ROOTS, "broken": ROOTS},
    ),
    Client(
        "smolagents", "OpenInference", "smolagents", "openinference_smolagents", "openinference_openai",
        ("smolagents", "openinference-instrumentation-smolagents"), {**REFUSED, "cached": NO_CACHE},
    ),
    Client(
        "OpenAI Agents", "OpenInference", "openai_agents", "openinference_openai_agents", "openinference_openai",
        ("openai-agents", "openinference-instrumentation-openai-agents"), REFUSED,
    ),
    Client(
        "OpenAI Agents", "Logfire", "openai_agents", "logfire_openai_agents", "openinference_openai",
        ("openai-agents", "logfire"), REFUSED,
    ),
    Client(
        "Strands, OpenAI", "its own", "strands_openai", "built_in", "openinference_openai",
        ("strands-agents", "openai"), REFUSED, environment="older",
    ),
    Client(
        "Strands, Anthropic", "its own", "strands_anthropic", "built_in", "openinference_anthropic",
        ("strands-agents", "anthropic"), {**REFUSED, "cached": NO_HOUR}, environment="older",
    ),
)  # fmt: skip

#: What each environment needs: Strands holds its clients back, and so does OpenTelemetry's google-genai.
ENVIRONMENTS: Final = {
    "newest": (
        "genai-prices", "google-genai>=3", "langchain-anthropic>=1", "langchain-openai>=1", "langfuse>=5",
        "litellm>=1.100", "logfire>=5", "mlflow-tracing>=3.17", "openai>=3", "anthropic>=2", "openai-agents>=0.20",
        "openinference-instrumentation-anthropic", "openinference-instrumentation-google-genai",
        "openinference-instrumentation-langchain", "openinference-instrumentation-litellm",
        "openinference-instrumentation-openai", "openinference-instrumentation-openai-agents",
        "openinference-instrumentation-smolagents", "opentelemetry-exporter-otlp-proto-http",
        "opentelemetry-instrumentation-anthropic", "opentelemetry-instrumentation-langchain",
        "opentelemetry-instrumentation-openai", "pydantic-ai-slim[anthropic,openai]>=2", "smolagents", "sqlparse",
    ),
    "older": (
        "genai-prices", "google-genai<3", "openinference-instrumentation-anthropic",
        "openinference-instrumentation-google-genai", "openinference-instrumentation-openai",
        "opentelemetry-instrumentation-google-genai", "strands-agents[anthropic,openai]>=1.62",
    ),
}  # fmt: skip
