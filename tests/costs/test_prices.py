"""The cost of a call: reported, by the user's own prices, by ``genai-prices``, a lower bound of it, or none."""

import datetime
import json
import sys

import pytest
from calls import span, usage
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.costs import price_list
from learning_instrument.costs.model_calls import model_call
from learning_instrument.costs.price_list import price_table
from learning_instrument.costs.prices import prices_of

OWN = {"llama-3.1-70b": {"input": 0.2, "cached": 0.05, "output": 0.6}}


def call(model="gpt-4o-mini", tokens=(1_000_000, 1_000_000), **more):
    return model_call(span(1, None, usage(model, tokens, **more)))


@pytest.fixture
def without_genai_prices(monkeypatch):
    """As if the extra were not installed."""
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    price_list.genai_prices.cache_clear()
    yield
    price_list.genai_prices.cache_clear()


def test_listed_model_is_priced():
    """GPT-4o mini: 15 cents a million in, 60 out."""
    priced = prices_of(None).priced(call())

    assert (priced.cost, priced.cost_source) == (0.75, "priced")
    assert priced.price_table == str(price_table())


def test_cached_tokens_have_their_own_price():
    """Half that of the others, with this model."""
    attributes = {"gen_ai.usage.cache_read.input_tokens": 400_000}

    assert prices_of(None).priced(call(tokens=(1_000_000, 0), **attributes)).cost == 0.12


def test_reported_cost_wins():
    """Though the model is in both tables."""
    own = prices_of({"gpt-4o-mini": {"input": 1}})

    assert own.priced(call(cost=0.5))[14:17] == (0.5, "reported", None)


def test_own_price_goes_before_the_listed_one():
    """And is named as its source."""
    own = prices_of({"GPT-4o-mini": {"input": 1, "output": 2}, "date": "2026-11-01"})

    assert own.priced(call())[14:17] == (3.0, "priced", "own prices (2026-11-01)")


def test_own_price_of_cached_tokens_is_that_of_the_input_by_default():
    """No price for them is given."""
    cached = {"gen_ai.usage.cache_read.input_tokens": 400_000}

    assert prices_of({"m": {"input": 1}}).priced(call("m", (1_000_000, 0), **cached)).cost == 1.0
    assert prices_of({"m": {"input": 1, "cached": 0}}).priced(call("m", (1_000_000, 0), **cached)).cost == 0.6


@pytest.mark.parametrize(
    "unpriced",
    [
        {"model": "a-model-of-our-own"},
        {"model": None},
        {"tokens": None},
        {"tokens": (0, 0)},
        # Runs locally under a famous name.
        {"gen_ai.provider.name": "ollama"},
        {"gen_ai.provider.name": "a provider of our own"},
        # Priced by the hour.
        {"model": "whisper-1"},
    ],
)
def test_call_without_a_price_is_unpriced(unpriced):
    """It is not free."""
    assert prices_of(None).priced(call(**unpriced))[14:17] == (None, "unpriced", None)


@pytest.mark.parametrize(
    ("model", "provider"),
    [("gpt-4o-mini", "azure.ai.openai"), ("openai/gpt-4o-mini", None), ("openai/gpt-4o-mini", "openai")],
)
def test_other_spellings_find_the_price(model, provider):
    """Those of the conventions, and those with the provider in front."""
    more = {} if provider is None else {"gen_ai.provider.name": provider}

    assert prices_of(None).priced(call(model, **more)).cost == 0.75


def test_without_the_extra_calls_are_unpriced(without_genai_prices):
    """One's own prices still hold."""
    assert prices_of(OWN).priced(call()).cost_source == "unpriced"
    assert prices_of(OWN).priced(call("llama-3.1-70b")).cost == 0.8
    assert (price_table().day, str(price_table())) == (None, "no price table")


def test_price_table_has_a_version_and_a_date():
    """Which are stored with what they priced."""
    table = price_table()

    assert table.name == "genai-prices"
    assert table.version in str(table)
    assert table.day is None or table.day <= datetime.date.today() + datetime.timedelta(days=1)


# What spans say.

_CHAT = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}
_SONNET = {"gen_ai.request.model": "claude-sonnet-4-5", "gen_ai.usage.output_tokens": 50}
_WRITTEN = {**_SONNET, "gen_ai.usage.input_tokens": 1300, "gen_ai.usage.cache_write.input_tokens": 1000}
_OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-4o-mini",
    "llm.token_count.prompt": 1000,
    "llm.token_count.completion": 100,
}


@pytest.mark.parametrize(
    ("said", "cost", "source"),
    [
        ({**_CHAT, **_WRITTEN}, 0.0054, "priced"),
        ({**_CHAT, **_WRITTEN, "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 1000}, 0.00765, "priced"),
        ({**_CHAT, **_SONNET, "gen_ai.system": "strands-agents", "gen_ai.usage.input_tokens": 300,
          "gen_ai.usage.cache_write_input_tokens": 1000}, 0.0054, "priced"),
        ({**_CHAT, "gen_ai.request.model": "gemini-2.5-flash", "gen_ai.usage.audio.input_tokens": 1000}, 0.00125,
         "priced"),
        ({**_CHAT, "gen_ai.request.model": "o3", "openai.response.service_tier": "flex"}, 0.0014, "priced"),
        ({**_CHAT, "gen_ai.request.model": "o3", "openai.response.service_tier": "default"}, 0.0028, "priced"),
        ({**_CHAT, "gen_ai.request.model": "models/gemini-2.5-flash"}, 0.00055, "priced"),
        ({**_CHAT, "gen_ai.request.model": "gemini-2.5-flash", "gen_ai.provider.name": "gcp.gen_ai"}, 0.00055,
         "priced"),
        ({**_CHAT, "gen_ai.request.model": "litellm_proxy/gpt-4o"}, 0.0035, "priced"),
        ({**_CHAT, "gen_ai.request.model": "claude-sonnet-4-5", "gen_ai.system": "strands-agents"}, 0.0045, "priced"),
        ({"gen_ai.operation.name": "chat", "gen_ai.request.model": "o3", "gen_ai.usage.input_tokens": 1000}, 0.002,
         "partial"),
        ({**_CHAT, "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.output_tokens": 1}, 0.0001506, "partial"),
        ({**_CHAT, **_SONNET, "anthropic.usage.compaction.input_tokens": 50_000}, 0.00375, "partial"),
        ({**_CHAT, **_SONNET, "anthropic.usage.compaction.output_tokens": 50}, 0.00375, "partial"),
        ({**_CHAT, "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.output_tokens": 1,
          "gen_ai.response.finish_reasons": ("stop",)}, 0.0001506, "priced"),
        ({**_CHAT, "gen_ai.request.model": "gpt-4o-mini", "error.type": "APITimeoutError"}, 0.00021, "partial"),
        ({**_OPENINFERENCE, "llm.cost.total": 0.0}, 0.00021, "priced"),
        ({**_OPENINFERENCE, "llm.cost.total": 0.5}, 0.5, "reported"),
        ({"openinference.span.kind": "EMBEDDING", "embedding.model_name": "text-embedding-3-small",
          "llm.token_count.prompt": 1000}, 0.00002, "priced"),
    ],
)  # fmt: skip
def test_attributes_of_a_span_become_its_cost(said, cost, source):
    """As the clients write them."""
    assert prices_of(None).priced(model_call(span(1, None, said)))[14:16] == (cost, source)


# A reported cost of 0.


def test_reported_cost_of_0_is_priced_where_the_model_is_not_free():
    """The client did not know the price."""
    reported = call(cost=0.0)

    assert prices_of(None).priced(reported)[14:16] == (0.75, "priced")
    assert prices_of({"gpt-4o-mini": {"input": 1}}).priced(reported)[14:16] == (1.0, "priced")


@pytest.mark.parametrize(
    "free",
    [
        {"model": "a-model-of-our-own"},
        {"model": "deepseek/deepseek-r1:free", "gen_ai.provider.name": "openrouter"},
        {"gen_ai.provider.name": "ollama"},
    ],
)
def test_reported_cost_of_0_stays_where_nothing_says_otherwise(free):
    """A free model, or one without a price."""
    reported = call(**{"cost": 0.0, **free})

    assert prices_of(None).priced(reported) == reported


@pytest.mark.parametrize("tokens", [None, (0, 0)])
def test_reported_cost_of_0_without_tokens_is_unknown(tokens):
    """Of a stream that broke off, some clients report $0."""
    assert prices_of(None).priced(call(cost=0.0, tokens=tokens))[14:16] == (None, "unpriced")


def test_reported_cost_of_a_stream_that_broke_off_is_a_lower_bound():
    """Its client knew the first chunk; the cost stays under other prices."""
    broken = prices_of(None).priced(call(cost=0.25, tokens=(1000, 1), finish_reason=None))

    assert broken[14:16] == (0.25, "partial")
    assert prices_of({"gpt-4o-mini": {"input": 9}}).priced(broken) == broken


def test_own_price_of_0_is_a_price():
    """The user's own machine."""
    own = prices_of({"gpt-4o-mini": {"input": 0}})

    assert own.priced(call())[14:16] == (0.0, "priced")
    assert own.priced(call(cost=0.0))[14:16] == (0.0, "reported")


# Lower bounds.


@pytest.mark.parametrize(
    ("unknown", "cost"),
    [
        ({"output_tokens": None}, 0.00015),
        ({"input_tokens": None}, 0.0006),
        ({"input_tokens": 0}, 0.0006),
        # What a stream said before it broke off.
        ({"output_tokens": 1}, 0.0001506),
        ({"output_tokens": 0}, 0.00015),
        ({"finish_reason": "error"}, 0.00075),
        ({"error_type": "APIConnectionError"}, 0.00075),
    ],
)
def test_cost_of_which_a_part_is_unknown_is_partial(unknown, cost):
    """A lower bound."""
    for prices in (prices_of(None), prices_of({"gpt-4o-mini": {"input": 0.15, "output": 0.6}})):
        assert prices.priced(call(tokens=(1000, 1000))._replace(**unknown))[14:16] == (cost, "partial")


@pytest.mark.parametrize(
    "whole",
    [
        {"output_tokens": 1, "finish_reason": "stop"},
        {"output_tokens": 0, "finish_reason": "content_filter"},
        {"output_tokens": 2},
    ],
)
def test_short_answer_with_a_reason_is_whole(whole):
    """A classifier answers with one token."""
    assert prices_of(None).priced(call(tokens=(1000, 1))._replace(**whole)).cost_source == "priced"


@pytest.mark.parametrize("operation", ["embeddings", None])
@pytest.mark.parametrize("output", [None, 0])
def test_embeddings_have_no_output_to_miss(operation, output):
    """By the operation, or by the model's name."""
    embedded = call("text-embedding-3-small")._replace(operation=operation, output_tokens=output)

    assert prices_of(None).priced(embedded)[14:16] == (0.02, "priced")


def test_lower_bound_is_priced_once_it_is_whole():
    """What another span says is merged, and priced anew."""
    partial = prices_of(None).priced(call()._replace(output_tokens=None))

    assert prices_of(None).priced(partial._replace(output_tokens=1_000_000))[14:16] == (0.75, "priced")


def test_reported_cost_of_unknown_usage_stays():
    """The provider knows."""
    reported = call(cost=0.5)._replace(output_tokens=None, error_type="Timeout")

    assert prices_of(None).priced(reported) == reported


_COUNTS = st.none() | st.integers(0, 10**12)
_CLASSES = st.sampled_from(
    [
        "cache_write_1h_tokens", "cache_audio_read_tokens", "input_audio_tokens", "input_image_tokens",
        "input_text_tokens", "output_audio_tokens", "output_image_tokens", "output_reasoning_tokens", "web_searches",
        "no_such_tokens",
    ]
)  # fmt: skip
_SOURCES = st.sampled_from([(None, "unpriced"), (0.0, "reported")])
_CALLS = st.builds(
    lambda source, **fields: call()._replace(cost=source[0], cost_source=source[1], **fields),
    _SOURCES,
    model=st.none()
    | st.sampled_from(["gpt-4o", "models/gemini-2.5-flash", "claude-sonnet-4-5", "gpt-realtime", "whisper-1", "m"])
    | st.text(),
    provider=st.none() | st.sampled_from(["openai", "gcp.gen_ai", "litellm", "ollama"]) | st.text(),
    timestamp=st.just("2026-11-01T00:00:00Z") | st.text(),
    input_tokens=_COUNTS,
    cached_tokens=_COUNTS,
    cache_write_tokens=_COUNTS,
    output_tokens=_COUNTS,
    error_type=st.none() | st.text(),
    usage=st.none()
    | st.text()
    | st.builds(json.dumps, st.dictionaries(_CLASSES | st.just("service_tier"), _COUNTS | st.text() | st.floats())),
)


@given(_CALLS)
def test_any_call_is_priced_or_not(any_call):
    """Of any counts in a span; and pricing twice is pricing once."""
    prices = prices_of({"m": {"input": 1, "output": 2}})
    priced = prices.priced(any_call)

    assert (priced.cost is None) == (priced.cost_source == "unpriced")
    assert priced.cost is None or priced.cost >= 0
    assert prices.priced(priced) == priced
