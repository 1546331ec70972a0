"""The many names of a model and of its provider -> those of the price list.

A wrong price is worse than none: a model is priced where its provider is known to serve it at the list's price, never
where a server of one's own may run it, and a fine-tuned one only where the list has it.
"""

import functools
import re
from collections.abc import Iterator
from typing import Final

from .price_list import find_model

#: The price list's name of a provider -> its other spellings. Compared in lower case, ``-`` for any punctuation.
_SPELLINGS: Final = {
    "anthropic": "",
    "aws": "bedrock aws-bedrock amazon-bedrock amazon bedrock-converse bedrock-runtime",
    "azure": "azure-openai azureopenai azure-ai azure-ai-openai az-ai-openai azure-ai-inference az-ai-inference"
    " azure-ai-foundry azure-foundry",
    "avian": "",
    "baseten": "",
    "cerebras": "",
    "cloudflare": "workers-ai",
    "cohere": "cohere-chat",
    "databricks": "",
    "deepseek": "",
    "fireworks": "fireworks-ai",
    "github-copilot": "",
    "google": "gemini google-gla google-vertex google-genai googlegenai google-generativeai google-generative-ai"
    " google-ai-studio google-vertexai vertexai vertex-ai vertex-ai-beta gcp-gemini gcp-gen-ai gcp-vertex-ai",
    "groq": "",
    "minimax": "",
    "mistral": "mistralai mistral-ai",
    "moonshotai": "moonshot moonshot-ai",
    "novita": "novita-ai",
    "openai": "openai-chat openai-responses text-completion-openai",
    "openrouter": "open-router",
    "perplexity": "perplexity-ai",
    "together": "togetherai together-ai",
    "voyageai": "voyage voyage-ai",
    "x-ai": "xai",
    "zai": "z-ai",
    "zhipuai": "zhipu",
}
PROVIDERS: Final = {
    spelling: provider for provider, others in _SPELLINGS.items() for spelling in (provider, *others.split())
}
#: Frameworks and proxies that write their own name where the provider's belongs: the model's name tells the provider.
_GATEWAYS: Final = """
adk agno ai-sdk autogen beeai camel crewai custom-openai dspy google-adk haystack helicone instructor
langchain langfuse langgraph langsmith litellm litellm-proxy llama-index llamaindex logfire magentic mastra
mlflow models none openai-agents openai-compat openai-compatible openai-like openinference portkey proxy
publishers pydantic-ai semantic-kernel smolagents strands strands-agents traceloop unknown vercel
"""
#: Words in the name of a server that one runs oneself.
_LOCAL: Final = """
cpp gpt4all gguf huggingface jan koboldcpp litert llamacpp llamafile lm lmstudio local localai localhost mlx ollama
oobabooga openvino sglang tabby tgi transformers triton vllm xinference
"""
GATEWAYS: Final = frozenset(_GATEWAYS.split())
LOCAL: Final = frozenset(_LOCAL.split())
#: In front of a name they are the publisher of open weights as often as a provider.
_PUBLISHERS: Final = frozenset({"minimax", "mistralai", "moonshotai", "zai"})

_PUNCTUATION: Final = re.compile(r"[^a-z0-9]+")
#: As Bedrock names models: ``us.anthropic.claude-3-5-haiku-20241022-v1:0``.
_BEDROCK: Final = re.compile(
    r"((us|eu|apac|au|ca|jp|us-gov|global)\.)?"
    r"(?P<vendor>ai21|amazon|anthropic|cohere|deepseek|meta|minimax|mistral|moonshotai|nvidia|openai|qwen|writer|zai)\."
    r"(?P<model>[a-z])"
)
#: As local servers tag models (``llama3:8b``), and the variants of OpenRouter (``:free``), which have other prices.
_LOCAL_TAG: Final = re.compile(r":(latest|e?\d+(\.\d+)?(x\d+)?[bm]\b.*|.*q\d_.*)$")
_VARIANT: Final = re.compile(r":[a-z]+$")
#: A name that tells how many parameters the model has is that of open weights, which may run anywhere.
_SIZE: Final = re.compile(r"(?<![a-z0-9])\d+(\.\d+)?(x\d+)?b(?![a-z0-9])")
#: A model that was tuned or bought has another price than the one it is named after.
_TUNED: Final = re.compile(r"(^|[/:])(tunedmodels|endpoints|custom-model|provisioned-model)/")
#: Served by their makers alone, also to the clients of others.
_CLOSED: Final = re.compile(r"(claude|gemini|grok)-")
#: Families whose provider the list does not tell by the model's name.
_FAMILIES: Final = {
    "chatgpt-": "openai",
    "codex-": "openai",
    "computer-use": "openai",
    "embed-": "cohere",
    "sonar": "perplexity",
    "text-embedding-": "openai",
}
_MONTH, _DAY = "(0[1-9]|1[0-2])", "(0[1-9]|[12]\\d|3[01])"
#: What ends a name and makes no other model: a date, a revision, ``latest``.
_SUFFIX: Final = re.compile(
    rf"([-@](20\d\d-?{_MONTH}-?{_DAY}|{_MONTH}-?{_DAY}|{_MONTH}-20\d\d|2\d{_MONTH}|00\d|latest|default|v\d+:\d+)|:latest)$"
)


def references(model: str, provider: str | None) -> Iterator[tuple[str, str | None]]:
    """Yield the names that *model* may have in the price list, each with the list's provider, the likeliest first.

    Args:
        model: the model's name, as a span says it.
        provider: the provider's name, as a span says it; None: it says none.
    """
    host = _spelled(provider or "")
    name = model.strip().lower()
    if not _is_local(host, name) and not _TUNED.search(name):
        named = None if host in GATEWAYS or not host else PROVIDERS.get(host, provider)
        for rest, found in _with_prefixes(name, named):
            yield rest, found
            if "@" in rest:  # as Vertex AI dates a model
                yield rest.removesuffix("@default").replace("@", "-"), found


def _with_prefixes(name: str, host: str | None) -> Iterator[tuple[str, str | None]]:
    if name.startswith("arn:"):
        yield name.rpartition("/")[2], "aws"
    elif "/publishers/" in name:  # projects/../locations/../publishers/google/models/..
        yield name.rpartition("/")[2], host or "google"
    elif host in (None, "openai"):  # OpenAI's client speaks to all the others, too
        yield from _by_name(name, host)
    elif host == "anthropic" and _BEDROCK.match(name):
        yield name, "aws"
    else:
        yield name, host
        head, _, rest = name.partition("/")
        if host == PROVIDERS.get(_spelled(head)) or _spelled(head) in GATEWAYS:
            yield rest, host
        if host in ("aws", "azure", "google") and rest:
            # By region Azure's prices differ.
            yield (rest if host == "azure" else name.rpartition("/")[2]), host


def _by_name(name: str, host: str | None) -> Iterator[tuple[str, str | None]]:
    """Yield the references of a name that tells the provider."""
    head, slash, rest = name.partition("/")
    spelled = _spelled(head)
    served_by = None if spelled in _PUBLISHERS else PROVIDERS.get(spelled)
    if slash and spelled in GATEWAYS:
        yield from _by_name(rest, host)
    elif _VARIANT.search(name) and "ft:" not in name:
        yield name.removeprefix("openrouter/"), "openrouter"
    elif _BEDROCK.match(name):
        yield name, "aws"
    elif not slash:
        yield from _plain(name, host)
    elif served_by in ("openai", "google"):  # or the publisher of open weights
        yield from _plain(rest.rpartition("/")[2], served_by)
    elif served_by is not None:
        yield (rest.rpartition("/")[2] if served_by == "aws" else rest), served_by
    elif name.startswith("accounts/fireworks/"):
        yield name, "fireworks"


def _plain(name: str, host: str | None) -> Iterator[tuple[str, str | None]]:
    """Yield the references of a name without a prefix."""
    if name.startswith("ft:"):
        yield name, "openai"
    elif not _SIZE.search(name) or name.startswith("gemini-"):
        yield name, host
        if host is None or _CLOSED.match(name):
            family = next((provider for start, provider in _FAMILIES.items() if name.startswith(start)), None)
            yield name, family


def _is_local(host: str, name: str) -> bool:
    """Tell whether a server of one's own may have answered."""
    heads = [_spelled(head) for head in name.split("/")[:-1]] if "/publishers/" not in name else []
    words = {word for each in (host, *heads) for word in each.split("-")}
    is_listed = host.startswith("huggingface-")  # as a router of others
    return bool(LOCAL & words and not is_listed) or bool(_LOCAL_TAG.search(name) and not name.startswith("ft:"))


def provider_in(model: str) -> str | None:
    """Return the provider that stands before a *model*'s name, as in ``openrouter/deepseek/deepseek-chat``, or None."""
    for head in map(_spelled, model.split("/")[:-1]):
        if head not in GATEWAYS:
            return None if head in _PUBLISHERS else PROVIDERS.get(head)
    return None


def is_gateway(provider: str) -> bool:
    """Tell whether *provider* is the name of a framework or a proxy, and not of a provider."""
    return _spelled(provider) in GATEWAYS


@functools.lru_cache(maxsize=1024)
def _spelled(name: str) -> str:
    return _PUNCTUATION.sub("-", name.lower()).strip("-")


@functools.lru_cache(maxsize=4096)
def canonical_model(model: str) -> str:
    """Return the one name of a model, for telling whether two spans mean the same.

    That is the price list's name, without vendor and date: ``openai/gpt-4o-2024-11-20`` and ``gpt-4o`` are one. A
    model that the list does not have keeps its own, in lower case, without vendor and date. Who serves it does not
    matter. The first call may load the price list: not for the task's thread.

    Args:
        model: the model's name, as a span says it.
    """
    name = without_vendor(model.strip().lower())
    found = find_model(name, None) or (find_model(model, "openrouter") if "/" in model else None)
    name = name if found is None else without_vendor(str(found[1].id).lower())
    *_, shortest = undated(name if name.startswith("ft:") else _VARIANT.sub("", name))
    return shortest.replace(".", "-")


def without_vendor(name: str) -> str:
    """Return *name* without what stands before it: ``openai/``, ``models/``, ``us.anthropic.``."""
    last = name.rstrip("/").rpartition("/")[2] or name
    return _BEDROCK.sub(r"\g<model>", last, count=1)


def undated(name: str) -> Iterator[str]:
    """Yield *name*, and then without each of the dates and revisions at its end, the longest first."""
    while True:
        yield name
        shorter = _SUFFIX.sub("", name)
        if shorter in ("", name):
            return
        name = shorter
