"""Prices of one's own, those of ``genai-prices``, and calls that have none."""

import datetime
import sys

import pytest
from calls import span, usage
from hypothesis import assume, given
from hypothesis import strategies as st

from learning_instrument import configure
from learning_instrument.costs import price_list
from learning_instrument.costs.model_calls import model_call
from learning_instrument.costs.price_list import price_table
from learning_instrument.costs.prices import Prices, prices_of
from learning_instrument.database import store_of
from learning_instrument.errors import ConfigurationError

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
        # Runs locally under a famous name.
        {"gen_ai.provider.name": "ollama"},
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


# One's own table.


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
        {"m": {"input": 1}, "date": "tomorrow"},
        {"m": {"input": 1}, "date": 5},
        "/no/such/file.toml",
    ]:
        with subtests.test(table=table), pytest.raises(ConfigurationError):
            configure(tmp_path / "learning.db", prices=table)


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.decimals(0, 1000, places=3),
    st.decimals(0, 1000, places=3),
    st.decimals(0, 1000, places=3),
)
def test_own_prices_are_exact(fresh, cached, output, input_price, cached_price, output_price):
    """The float nearest to the true sum."""
    assume(fresh + cached + output)  # no tokens at all are those of an answer that was not understood
    table = prices_of({"m": {"input": input_price, "cached": cached_price, "output": output_price}})

    cost = table.priced(call("m", (fresh + cached, output), **{"gen_ai.usage.cache_read.input_tokens": cached})).cost

    assert cost == float((fresh * input_price + cached * cached_price + output * output_price) / 1_000_000)


def test_model_of_own_prices_is_text():
    with pytest.raises(ConfigurationError, match=r"^Invalid model 1 of the prices: expected its name as text\.$"):
        prices_of({1: {"input": 1}})
