"""Classes of tokens and service tiers by the list of ``genai-prices``: their own price, or a bound, or none."""

import json

import pytest
from calls import span, usage
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.costs.model_calls import model_call
from learning_instrument.costs.prices import prices_of

SONNET, FLASH = "claude-sonnet-4-5", "gemini-2.5-flash"


def priced(model, tokens=(1000, 100), classes=None, provider=None, **fields):
    """Return the cost of a call with further classes of tokens, and its source."""
    further = None if classes is None else json.dumps(classes)
    call = model_call(span(1, None, usage(model, tokens)))._replace(usage=further, provider=provider, **fields)
    found = prices_of(None).priced(call)
    return found.cost, found.cost_source


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        ({"model": SONNET, "tokens": (1300, 50), "cache_write_tokens": 1000}, 0.0054),
        ({"model": SONNET, "tokens": (1300, 50), "cache_write_tokens": 1000,
          "classes": {"cache_write_1h_tokens": 1000}}, 0.00765),
        # The hour alone is said, or five minutes and an hour.
        ({"model": SONNET, "tokens": (1300, 50), "classes": {"cache_write_1h_tokens": 1000}}, 0.00765),
        ({"model": SONNET, "tokens": (1300, 50),
          "classes": {"cache_write_5m_tokens": 500, "cache_write_1h_tokens": 500}}, 0.006525),
        ({"model": SONNET, "tokens": (3000, 50), "cached_tokens": 2000}, 0.00435),
        # Told beside the input.
        ({"model": SONNET, "tokens": (1000, 50), "cached_tokens": 2000}, 0.00435),
        # A long prompt costs more.
        ({"model": SONNET, "tokens": (300_000, 100)}, 1.80225),
        ({"model": FLASH, "classes": {"input_audio_tokens": 1000}}, 0.00125),
        ({"model": FLASH, "classes": {"input_audio_tokens": 400, "input_text_tokens": 600}}, 0.00083),
        ({"model": "gpt-realtime", "classes": {"input_audio_tokens": 1000, "output_audio_tokens": 100}}, 0.0384),
        ({"model": "gpt-image-1", "tokens": (1000, 100), "classes": {"input_image_tokens": 900}}, 0.0135),
        ({"model": SONNET, "classes": {"web_searches": 2}}, 0.0245),
        # A price of its own, which is not that of the output.
        ({"model": "sonar-deep-research", "classes": {"output_reasoning_tokens": 80}}, 0.0024),
    ],
)  # fmt: skip
def test_class_of_tokens_has_its_own_price(said, cost):
    """Not that of plain tokens."""
    assert priced(**said) == (cost, "priced")


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        # OpenAI charges none for a write, and reasoning is output.
        ({"model": "gpt-4o", "cache_write_tokens": 500}, 0.0035),
        ({"model": "o3", "classes": {"output_reasoning_tokens": 80}}, 0.0028),
        ({"model": "gpt-4o", "classes": {"input_text_tokens": 1000, "output_text_tokens": 100}}, 0.0035),
        # Google charges for an image what it does for text, and for audio, too, where the list names no other price.
        ({"model": FLASH, "classes": {"input_image_tokens": 500}}, 0.00055),
        ({"model": "gemini-2.5-pro", "classes": {"input_audio_tokens": 500}}, 0.00225),
        # What a model for images answers with.
        ({"model": "gpt-image-1", "classes": {"output_image_tokens": 100}}, 0.009),
        # For nothing.
        ({"model": "deepseek/deepseek-r1:free", "classes": {"input_audio_tokens": 500}}, 0.0),
    ],
)
def test_class_that_is_billed_as_plain_tokens_is_priced_so(said, cost):
    """Nothing is unknown."""
    assert priced(**said) == (cost, "priced")


@pytest.mark.parametrize(
    ("said", "bound"),
    [
        ({"model": "gpt-4o-mini", "classes": {"input_audio_tokens": 500}}, 0.00021),
        ({"model": "gpt-4o-mini", "classes": {"output_image_tokens": 50}}, 0.00021),
        ({"model": "gpt-4", "classes": {"web_searches": 1}}, 0.036),
        ({"model": "gpt-4o-mini", "classes": {"no_such_tokens": 5}}, 0.00021),
        # The list has the price of a write for five minutes only.
        ({"model": "us.anthropic.claude-3-5-haiku-20241022-v1:0", "cache_write_tokens": 500,
          "classes": {"cache_write_1h_tokens": 500}}, 0.0013),
        # Audio or text of the cache, which cost differently: how many of each is not told.
        ({"model": FLASH, "classes": {"input_audio_tokens": 500}, "cached_tokens": 500}, 0.00045),
    ],
)  # fmt: skip
def test_class_without_a_price_makes_a_lower_bound(said, bound):
    """Priced as plain tokens, at least."""
    assert priced(**said) == (bound, "partial")


@pytest.mark.parametrize(
    ("classes", "cached", "cost"),
    [
        ({"input_audio_tokens": 500, "cache_audio_read_tokens": 500}, 500, 0.00045),
        ({"input_audio_tokens": 500, "cache_audio_read_tokens": 0}, 500, 0.000765),
        ({"input_audio_tokens": 500, "cache_text_read_tokens": 500}, 500, 0.000765),
        # All is audio.
        ({"input_audio_tokens": 1000}, 500, 0.0008),
    ],
)
def test_audio_read_from_the_cache_has_a_price_where_its_count_is_certain(classes, cached, cost):
    """It is told, or follows."""
    assert priced(FLASH, classes=classes, cached_tokens=cached) == (cost, "priced")


@pytest.mark.parametrize(
    ("model", "tier", "cost"),
    [
        ("o3", "flex", 0.0014),
        ("o3", "default", 0.0028),
        ("o3", "auto", 0.0028),
        ("o3", "batch", 0.0014),
        ("gpt-4o", "batch", 0.00175),
        ("gpt-4o", "priority", 0.00595),
        ("gpt-4o", "PRIORITY", 0.00595),
        (SONNET, "batch", 0.00225),
        (SONNET, "standard", 0.0045),
        (FLASH, "batch", 0.000275),
        (FLASH, "on_demand", 0.00055),
    ],
)
def test_service_tier_has_its_own_price(model, tier, cost):
    """In each provider's words."""
    assert priced(model, classes={"service_tier": tier}) == (cost, "priced")


@pytest.mark.parametrize(
    ("model", "tier", "provider"),
    [
        ("gpt-4o", "flex", None),
        ("text-embedding-3-small", "flex", None),
        (SONNET, "priority", None),
        ("gpt-4o", "scale", None),
        # Azure's prices of OpenAI's models are known for the plain tier.
        ("gpt-4o", "priority", "azure"),
        # A kind of search, not a tier.
        ("perplexity/sonar", "fast", "perplexity"),
    ],
)
def test_tier_without_a_price_is_unpriced(model, tier, provider):
    """The plain price may be more: no lower bound."""
    assert priced(model, classes={"service_tier": tier}, provider=provider) == (None, "unpriced")


def test_tier_had_its_price_before_the_list_knew_it():
    """As long as the plain price was the same; the list counts flex from October 2026."""
    flex = {"service_tier": "flex"}

    assert priced("o3", classes=flex, timestamp="2026-08-01T00:00:00.000000Z") == (0.0014, "priced")
    assert priced("o3", classes=flex, timestamp="2026-11-01T00:00:00.000000Z") == (0.0014, "priced")
    # A price of before it fell.
    assert priced("o3", classes=flex, timestamp="2025-05-01T00:00:00.000000Z") == (None, "unpriced")


@pytest.mark.parametrize(
    ("asked", "answered", "provider"),
    [
        ("openrouter/deepseek/deepseek-chat", "deepseek/deepseek-chat", "openrouter"),
        ("deepseek/deepseek-chat", "deepseek-chat", "deepseek"),
        ("groq/openai/gpt-oss-20b", "openai/gpt-oss-20b", "groq"),
    ],
)
def test_provider_that_was_asked_sets_the_price_of_the_answer(asked, answered, provider):
    """The answer names the model alone."""
    assert priced(asked, response_model=answered)[1] == "priced"
    assert priced(asked, response_model=answered) == priced(asked) == priced(answered, provider=provider)


def test_deployment_is_priced_by_the_model_that_answers():
    """Its own name may be that of another model, or none."""
    for asked in ("azure/gpt-4", "azure/our-deployment", "our-deployment"):
        assert priced(asked, response_model="gpt-4o-mini-2024-07-18") == (0.00021, "priced")


@pytest.mark.parametrize(
    "usage",
    ["", "nonsense", "[]", "5", "null", '{"input_audio_tokens": "many"}', '{"input_audio_tokens": 1' + "0" * 20 + "}"],
)
def test_unreadable_usage_says_nothing(usage):
    """It may come from another program."""
    call = model_call(span(1, None, {"gen_ai.request.model": "o3"}))._replace(
        input_tokens=1000, output_tokens=100, usage=usage
    )

    assert prices_of(None).priced(call).cost == 0.0028


_COUNT = st.integers(0, 50_000)


@given(st.tuples(*[_COUNT] * 6), st.integers(0, 5), _COUNT)
def test_price_never_falls_with_more_tokens(counts, index, more):
    """Of any class."""

    def cost(counts):
        fresh, cached, written, for_an_hour, output, searches = counts
        found, _ = priced(
            SONNET,
            (fresh + cached + written + for_an_hour, output),
            {"cache_write_1h_tokens": for_an_hour, "web_searches": searches},
            cached_tokens=cached,
            cache_write_tokens=written + for_an_hour,
        )
        return found or 0.0

    larger = list(counts)
    larger[index] += more

    if counts[0]:  # else the cache looks as if it were told beside the input
        assert cost(larger) >= cost(counts)
