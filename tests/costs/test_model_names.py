"""The names of a model and its provider, as spans say them, and the one name of the price list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.costs.model_names import canonical_model


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
