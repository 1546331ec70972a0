"""The names of a model and its provider, as spans say them, and the one name of the price list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.costs.model_names import canonical_model, references
from learning_instrument.costs.price_list import find_model


@pytest.mark.parametrize(
    "names",
    [
        "gpt-4o GPT-4o openai/gpt-4o gpt-4o-2024-11-20 openai/gpt-4o-2024-11-20 gpt-4o-2024-05-13 azure/gpt-4o",
        "gemini-2.5-flash models/gemini-2.5-flash gemini/gemini-2.5-flash"
        " projects/p/locations/l/publishers/google/models/gemini-2.5-flash",
        "claude-3-5-haiku-20241022 claude-3.5-haiku claude-3-5-haiku-latest claude-3-5-haiku@20241022"
        " us.anthropic.claude-3-5-haiku-20241022-v1:0 bedrock/anthropic.claude-3-5-haiku-20241022-v1:0"
        " arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-3-5-haiku-20241022-v1:0",
        "gpt-35-turbo gpt-3.5-turbo gpt-3.5-turbo-0125",
        "anthropic/claude-sonnet-4.5 anthropic/claude-4.5-sonnet-20250929 claude-sonnet-4-5-20250929",
        "mistral-large-latest mistral-large-2411 mistral/mistral-large",
        # What the list does not have.
        "house-model House-Model acme/house-model house-model-2026-01-31 house-model-20260131 house-model:free",
    ],
)
def test_spellings_of_one_model_have_one_name(names):
    """With any vendor, date and case."""
    assert len({canonical_model(name) for name in names.split()}) == 1


@pytest.mark.parametrize(
    "names",
    [
        "gpt-4o gpt-4o-mini gpt-4.1 gpt-4.1-mini gpt-4 o3 o3-mini text-embedding-3-small text-embedding-3-large",
        "claude-3-5-haiku claude-3-5-sonnet claude-sonnet-4-5 claude-opus-4-1",
        "gemini-2.5-flash gemini-2.5-flash-lite gemini-2.5-pro",
        "gpt-4o-mini ft:gpt-4o-mini-2024-07-18:acme::a ft:gpt-4o-mini-2024-07-18:acme::b",
        "m big small llama-3.1-8b llama-3.1-70b",
    ],
)
def test_different_models_have_different_names(names):
    """However alike they are."""
    assert len({canonical_model(name) for name in names.split()}) == len(names.split())


@given(st.text() | st.text(alphabet="ab/.:-@0123456789"))
def test_any_text_has_a_name(text):
    """That of a name is the name."""
    name = canonical_model(text)

    assert canonical_model(name) == name


def found(model, provider=None):
    """Return the list's provider and model of a name."""
    for name, host in references(model, provider):
        listed = find_model(name, host)
        if listed is not None:
            return f"{listed[0].id} {listed[1].id}"
    return None


@pytest.mark.parametrize(
    ("model", "providers", "listed"),
    [
        # The provider in the words of a convention or a library.
        (
            "gemini-2.5-flash",
            "gcp.gen_ai gcp.vertex_ai gcp.gemini vertex_ai google-gla GoogleGenAI",
            "google gemini-2.5-flash",
        ),
        ("gpt-4o", "azure.ai.openai az.ai.openai azure.ai.inference az.ai.inference azure_openai", "azure gpt-4o"),
        ("mistral-large-latest", "mistral_ai mistralai", "mistral mistral-large"),
        ("grok-4", "xai x_ai", "x-ai grok-4-0709"),
        (
            "us.anthropic.claude-3-5-haiku-20241022-v1:0",
            "anthropic aws.bedrock bedrock_converse strands-agents",
            "aws regional.anthropic.claude-3-5-haiku-20241022-v1:0",
        ),
        # A framework's name, or a proxy's, where the provider's belongs.
        ("claude-sonnet-4-5", "strands-agents langchain pydantic-ai openai-agents", "anthropic claude-sonnet-4-5"),
        ("gpt-4o", "litellm litellm_proxy openai-compatible LlamaIndex", "openai gpt-4o"),
        # OpenAI's client at the address of another one.
        ("claude-sonnet-4-5", "openai", "anthropic claude-sonnet-4-5"),
        ("google/gemini-2.5-flash", "openai", "google gemini-2.5-flash"),
    ],
)
def test_provider_is_known_by_its_other_names(model, providers, listed):
    """Also in other punctuation."""
    for provider in providers.split():
        assert found(model, provider) == listed, provider


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        ("models/gemini-2.5-flash gemini/gemini-2.5-flash publishers/google/models/gemini-2.5-flash"
         " projects/p/locations/l/publishers/google/models/gemini-2.5-flash", "google gemini-2.5-flash"),
        ("litellm_proxy/gpt-4o litellm_proxy/openai/gpt-4o openai/gpt-4o-2024-11-20", "openai gpt-4o"),
        ("azure/gpt-4o", "azure gpt-4o"),
        ("openrouter/anthropic/claude-3.5-sonnet", "openrouter anthropic/claude-3.5-sonnet"),
        ("openrouter/deepseek/deepseek-r1:free deepseek/deepseek-r1:free", "openrouter deepseek/deepseek-r1:free"),
        ("us.anthropic.claude-3-5-haiku-20241022-v1:0 bedrock/us.anthropic.claude-3-5-haiku-20241022-v1:0"
         " anthropic.claude-3-5-haiku-20241022-v1:0 bedrock/converse/us.anthropic.claude-3-5-haiku-20241022-v1:0"
         " arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-3-5-haiku-20241022-v1:0"
         " bedrock/arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-5-haiku-20241022-v1:0",
         "aws regional.anthropic.claude-3-5-haiku-20241022-v1:0"),
        ("groq/openai/gpt-oss-20b", "groq openai/gpt-oss-20b"),
        ("together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo", "together meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("mistral/mistral-large-latest mistral-large-latest", "mistral mistral-large"),
        ("vertex_ai/claude-3-5-haiku@20241022", "google claude-3-5-haiku"),
        ("claude-3-5-haiku@20241022 claude-3-5-haiku-latest", "anthropic claude-3-5-haiku-latest"),
        ("claude-opus-4@20250514", "anthropic claude-opus-4-0"),
        ("text-embedding-3-small openai/text-embedding-3-small", "openai text-embedding-3-small"),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc openai/ft:gpt-4o-mini-2024-07-18:acme::abc", "openai ft:gpt-4o-mini"),
    ],
)  # fmt: skip
def test_name_tells_the_provider_where_the_span_does_not(names, listed):
    """By what stands before it."""
    for name in names.split():
        assert found(name) == listed, name
        assert found(name, "litellm") == listed, name


@pytest.mark.parametrize(
    ("names", "providers"),
    [
        # On a machine of one's own.
        (
            "gpt-4o-mini claude-sonnet-4-5",
            "ollama vllm hosted_vllm lm-studio lm_studio llama.cpp llama_cpp ollama_chat",
        ),
        ("ollama/gpt-4o hosted_vllm/gpt-4o lm_studio/gpt-4o ollama_chat/gpt-4o", "litellm openai"),
        # Open weights, which OpenAI's client asks a server of one's own for, and what Ollama calls them.
        ("gpt-oss-20b openai/gpt-oss-20b google/gemma-3-27b-it mistralai/Mixtral-8x7B-Instruct-v0.1", "openai litellm"),
        ("moonshotai/Kimi-K2-Instruct llama3:8b deepseek-r1:latest deepseek-r1:70b mistral-7b", "openai litellm"),
        # Tuned, or bought by the hour.
        ("ft:gpt-9:acme::abc gpt-4o-2024-08-06.ft-abc o4-mini.ft-abc gpt-4.1-2025-04-14.ft-abc", "openai azure"),
        ("tunedModels/gemini-1.5-flash-abc projects/p/locations/l/endpoints/gemini-1.5-flash", "google"),
        ("arn:aws:bedrock:us-east-1:1:provisioned-model/anthropic.claude-3-5-haiku-20241022-v1:0", "aws.bedrock"),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc123", "aws.bedrock"),
        # Another price than the model without it.
        ("openai/gpt-4o:online deepseek/deepseek-r1:nitro", "openai openrouter litellm"),
        ("gpt-4o", "acme"),
    ],
)
def test_model_of_an_unknown_price_is_not_found(names, providers):
    """A wrong price is worse than none."""
    for name in names.split():
        for provider in providers.split():
            assert found(name, provider) is None, (name, provider)


@given(st.text() | st.text(alphabet="abr/.:-@0123456789"), st.none() | st.text())
def test_any_text_is_searched_for(text, provider):
    """Of any text in a span."""
    assert found(text, provider) is None or isinstance(found(text, provider), str)


def test_project_may_be_called_like_a_server():
    """It is none."""
    path = "projects/jan-local/locations/l/publishers/google/models/gemini-2.5-flash"

    assert found(path, "vertex_ai") == found(path) == "google gemini-2.5-flash"
