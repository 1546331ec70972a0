"""The user's own prices: the table, what it has a price for, and the models it is for."""

import datetime
import json
import sys

import pytest
from calls import span, usage
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument import configure
from learning_instrument.costs.model_calls import model_call
from learning_instrument.costs.prices import Prices, prices_of
from learning_instrument.database import store_of
from learning_instrument.errors import ConfigurationError

OWN = {"llama-3.1-70b": {"input": 0.2, "cached": 0.05, "output": 0.6}}
FULL = {"m": {"input": 3, "cached": 0.3, "cache_write": 3.75, "cache_write_1h": 6, "output": 15}}


def call(model="m", tokens=(1_000_000, 0), classes=None, **fields):
    """Return a call of *model* with further classes of tokens."""
    further = None if classes is None else json.dumps(classes)
    return model_call(span(1, None, usage(model, tokens)))._replace(usage=further, **fields)


@pytest.fixture
def file(tmp_path):
    """A table of prices in TOML."""
    pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    path = tmp_path / "prices.toml"
    path.write_text('date = 2026-11-01\n["llama-3.1-70b"]\ninput = 0.2\ncached = 0.05\noutput = 0.6\n')
    return path


def test_file_says_what_a_mapping_does(file):
    """With its date."""
    assert prices_of(file) == Prices(prices_of(OWN).own, datetime.date(2026, 11, 1))
    assert prices_of(str(file)) == prices_of({**OWN, "date": "2026-11-01"})


def test_environment_names_the_file(file, monkeypatch):
    """For who cannot call ``configure()``."""
    monkeypatch.setenv("LEARNING_INSTRUMENT_PRICES", str(file))

    assert list(prices_of(None).own) == ["llama-3.1-70b"]


def test_unusable_file_of_the_environment_is_a_warning(database, monkeypatch, caplog):
    """No caller can catch an error in the background."""
    monkeypatch.setenv("LEARNING_INSTRUMENT_PRICES", "/no/such.toml")

    assert store_of(database).model_calls.prices == Prices()
    assert "/no/such.toml" in caplog.text


def test_prices_that_are_none_are_refused(tmp_path, subtests):
    """Where the user gave them."""
    for table in [
        {"m": 1},
        {"m": {}},
        {"m": {"input": -1}},
        {"m": {"input": "1"}},
        {"m": {"input": True}},
        {"m": {"input": float("nan")}},
        {"m": {"prompt": 1}},
        {"m": {"input": 1, "cache_write": -1}},
        {"m": {"input": 1, "cache_write_1h": "1"}},
        {"m": {"input": 1}, "date": "tomorrow"},
        {"m": {"input": 1}, "date": 5},
        "/no/such/file.toml",
    ]:
        with subtests.test(table=table), pytest.raises(ConfigurationError):
            configure(tmp_path / "learning.db", prices=table)


# What is priced.


def test_each_class_has_its_price():
    """The classes do not overlap."""
    full = call(tokens=(1000, 50), cached_tokens=200, cache_write_tokens=500, classes={"cache_write_1h_tokens": 100})

    cost = (300 * 3 + 200 * 0.3 + 400 * 3.75 + 100 * 6 + 50 * 15) / 1_000_000
    assert prices_of(FULL).priced(full).cost == pytest.approx(cost, rel=1e-12)


def test_cached_tokens_beside_the_input_are_not_taken_from_it():
    """3,000 new tokens and 2,000 of the cache: as one sum, and where the reader could not tell."""
    inclusive = call(tokens=(5000, 50), cached_tokens=2000)
    beside = call(tokens=(1000, 50), cached_tokens=2000)

    assert prices_of(FULL).priced(inclusive).cost == 0.01035
    assert prices_of(FULL).priced(beside).cost == 0.00435


def test_price_of_a_write_to_the_cache_is_that_of_the_input_by_default():
    """And that of an hour is that of a write."""
    written = call(cache_write_tokens=400_000, classes={"cache_write_1h_tokens": 200_000})

    assert prices_of({"m": {"input": 1}}).priced(written).cost == 1.0
    assert prices_of({"m": {"input": 1, "cache_write": 2}}).priced(written).cost == 1.4
    assert prices_of({"m": {"input": 1, "cache_write": 2, "cache_write_1h": 3}}).priced(written).cost == 1.6


@pytest.mark.parametrize(
    ("classes", "source"),
    [
        ({"output_reasoning_tokens": 5}, "priced"),
        ({"input_text_tokens": 5}, "priced"),
        ({"service_tier": "default"}, "priced"),
        ({"input_audio_tokens": 0, "web_searches": 0}, "priced"),
        ({"input_audio_tokens": 5}, "partial"),
        ({"output_image_tokens": 5}, "partial"),
        ({"web_searches": 1}, "partial"),
        ({"compaction_input_tokens": 5}, "partial"),
        # Cheaper by an unknown amount: no lower bound.
        ({"service_tier": "flex"}, "unpriced"),
    ],
)
def test_class_that_the_table_has_no_price_for(classes, source):
    """Reasoning is billed as output; audio is not what text costs."""
    assert prices_of(FULL).priced(call(tokens=(1000, 1000), classes=classes)).cost_source == source


_COUNT = st.integers(0, 10**9)
_PRICE = st.decimals(0, 1000, places=3)


@given(st.tuples(*[_COUNT] * 5), st.tuples(*[_PRICE] * 5))
def test_own_prices_are_exact(counts, amounts):
    """The float nearest to the true sum."""
    fresh, cached, written, for_an_hour, output = counts
    kinds = ("input", "cached", "cache_write", "cache_write_1h", "output")
    said = call(
        tokens=(fresh + cached + written + for_an_hour + 1, output),
        cached_tokens=cached,
        cache_write_tokens=written + for_an_hour,
        classes={"cache_write_1h_tokens": for_an_hour},
    )

    cost = prices_of({"m": dict(zip(kinds, amounts, strict=True))}).priced(said).cost

    terms = [count * amount for count, amount in zip((fresh + 1, *counts[1:]), amounts, strict=True)]
    assert cost == float(sum(terms) / 1_000_000)


# Which model is meant.


@pytest.mark.parametrize(
    ("own", "models"),
    [
        (
            "gpt-4o",
            "gpt-4o GPT-4o openai/gpt-4o openai/gpt-4o-2024-11-20 gpt-4o-20241120 litellm_proxy/openai/gpt-4o"
            " gpt-4o-latest",
        ),
        (
            "gemini-2.5-flash",
            "models/gemini-2.5-flash projects/p/locations/l/publishers/google/models/gemini-2.5-flash",
        ),
        (
            "claude-3-5-haiku",
            "us.anthropic.claude-3-5-haiku-20241022-v1:0 anthropic/claude-3-5-haiku claude-3-5-haiku@20241022"
            " arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-3-5-haiku-20241022-v1:0",
        ),
        ("ft:gpt-4o-mini", "ft:gpt-4o-mini-2024-07-18:acme::abc"),
        ("meta-llama/Llama-3.1-8B", "meta-llama/llama-3.1-8b hosted_vllm/meta-llama/Llama-3.1-8B"),
        ("llama3", "ollama/llama3:latest"),
        ("azure/gpt-4o", "azure/gpt-4o-2024-11-20"),
    ],
)
def test_own_price_is_found_but_for_vendor_and_date(own, models):
    """As the names of the list are."""
    for model in models.split():
        assert prices_of({own: {"input": 2}}).priced(call(model)).cost == 2, model


@pytest.mark.parametrize(
    ("own", "models"),
    [
        ("gpt-4o", "gpt-4o-mini gpt-4o-mini-2024-07-18 gpt-4 gpt-4o-audio-preview ft:gpt-4o-2024-08-06:acme::abc"),
        ("llama3", "llama3:8b llama3.1 llama3-70b"),
        ("deepseek", "deepseek-v3 deepseek-chat"),
        ("azure/gpt-4o", "gpt-4o openai/gpt-4o"),
        ("house", "house-1000 house-4-32"),
        ("", "/ gpt-4o"),
    ],
)
def test_own_price_is_not_that_of_another_model(own, models):
    """A wrong price is worse than none."""
    for model in models.split():
        assert prices_of({own: {"input": 2}}).priced(call(model)).price_table != "own prices", model


def test_exact_name_wins_and_then_the_longest():
    """The user may price one release apart."""
    table = {"gpt-4o": {"input": 1}, "gpt-4o-2024-11-20": {"input": 2}, "azure/gpt-4o-2024-11-20": {"input": 3}}
    for model, cost in [
        ("gpt-4o", 1),
        ("gpt-4o-2024-08-06", 1),
        ("openai/gpt-4o-2024-11-20", 2),
        ("azure/gpt-4o-2024-11-20", 3),
    ]:
        assert prices_of(table).priced(call(model)).cost == cost, model


def test_exact_name_of_what_was_asked_for_wins_over_that_of_what_answered():
    """A deployment has the name that the user gave it."""
    prices = prices_of({"gpt-4": {"input": 1}, "gpt-4o-mini": {"input": 2}, "gpt-4o-mini-2024-07-18": {"input": 3}})

    assert prices.priced(call("gpt-4", response_model="gpt-4o-mini-2024-07-18")).cost == 1
    assert prices.priced(call("ours", response_model="gpt-4o-mini-2024-07-18")).cost == 3


def test_model_of_own_prices_is_text():
    with pytest.raises(ConfigurationError, match=r"^Invalid model 1 of the prices: expected its name as text\.$"):
        prices_of({1: {"input": 1}})
