"""Calls of the past, priced anew."""

import pytest
from calls import calls, chat, costs, execution

from learning_instrument import SQLiteSpanExporter
from learning_instrument.costs.price_list import price_table
from learning_instrument.costs.prices import prices_of
from learning_instrument.database import store_of
from learning_instrument.maintenance import Repriced, reprice


@pytest.fixture
def stored(database):
    """A database with a reported call, a priced one, and an unpriced one."""
    store_of(database).model_calls.price_with(prices_of({"ours": {"input": 1.0}}))
    SQLiteSpanExporter(database).export(
        [
            execution(1),
            chat(2, 1, cost=0.5),
            chat(3, 1, model="ours", tokens=(1_000_000, 2)),
            execution(1, trace_id=2),
            chat(2, 1, trace_id=2, model="theirs", tokens=(1_000_000, 2)),
        ]
    )
    return database


def test_new_prices_change_what_was_priced_and_what_was_not(stored):
    """And not what was reported."""
    answer = reprice(stored, {"ours": {"input": 3.0}, "theirs": {"input": 0.25}})

    assert answer == Repriced(calls=2, changed=2, executions=2, difference=2.25, price_table=str(price_table()))
    assert [row["actual_cost"] for row in costs(stored)] == [3.5, 0.25]
    assert [row["cost_source"] for row in calls(stored)] == ["reported", "priced", "priced"]


def test_progress_is_told_after_each_slice(stored, monkeypatch):
    """How many calls are done, and of how many; those that were reported are not among them."""
    monkeypatch.setattr("learning_instrument.maintenance.repricing._SLICE", 1)
    told = []

    reprice(stored, progress=lambda *counts: told.append(counts))

    assert told == [(1, 2), (2, 2)]


def test_same_prices_change_nothing(stored):
    """By default those that new calls are priced with."""
    before = costs(stored), calls(stored)

    assert reprice(stored) == Repriced(2, 0, 0, 0.0, str(price_table()))

    assert (costs(stored), calls(stored)) == before


def test_price_that_is_gone_makes_a_call_unpriced(stored):
    """What other calls cost stays a lower bound."""
    answer = reprice(stored, prices_of({}))

    assert (answer.changed, answer.difference) == (1, -1.0)
    assert [row["cost_source"] for row in costs(stored)] == ["partial", "unpriced"]


def test_execution_whose_calls_are_far_apart_is_one_difference(stored, monkeypatch):
    """It may be added up several times on the way."""
    monkeypatch.setattr("learning_instrument.maintenance.repricing._SLICE", 1)
    SQLiteSpanExporter(stored).export([chat(9, 1, model="ours", tokens=(1_000_000, 2))])

    answer = reprice(stored, prices_of({"ours": {"input": 2.0}}))

    assert (answer.changed, answer.executions, answer.difference) == (2, 1, 2.0)


def test_call_whose_spans_have_no_price_alone_is_priced(database):
    """One has the model, the other the tokens: neither changes, and the call that both tell of does."""
    nameless = chat(3, 2, model=None, tokens=(1_000_000, 2))
    SQLiteSpanExporter(database).export([execution(1), chat(2, 1, model="theirs", tokens=None), nameless])
    database.flush()
    assert [row["cost_source"] for row in costs(database)] == ["unpriced"]

    answer = reprice(database, prices_of({"theirs": {"input": 0.25}}))

    assert (answer.changed, answer.executions, answer.difference) == (0, 1, 0.25)
    assert [row["cost_source"] for row in costs(database)] == ["priced"]


def test_call_that_took_the_number_of_another_keeps_its_cost(stored, monkeypatch):
    """The calls were deleted between the reading of a slice and its writing."""
    prices = prices_of({"ours": {"input": 3.0}})

    class Replacing:
        def priced(self, call):
            store_of(stored).transact(lambda execute: execute("DELETE FROM model_calls"))
            SQLiteSpanExporter(stored).export([chat(n, 1, trace_id=3, cost=0.125) for n in (2, 3, 4)])
            return prices.priced(call)

    monkeypatch.setattr("learning_instrument.maintenance.repricing.prices_of", lambda given: Replacing())

    reprice(stored, {})

    assert [row["cost"] for row in calls(stored)] == [0.125] * 3
