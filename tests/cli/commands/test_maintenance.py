"""``rebuild`` and ``reprice``, as commands."""

import sqlite3

import pytest
from asking import answer, ask, document, record, rows, store
from calls import chat, execution

from learning_instrument import LearningDatabase, SQLiteSpanExporter
from learning_instrument.costs.price_list import PriceTable
from learning_instrument.rollups import catch_up
from learning_instrument.rollups.catch_up import advance


@pytest.fixture
def path(tmp_path):
    """The path of a database for records of a test's own."""
    return str(tmp_path / "learning.db")


def test_rebuild_goes_on_after_ctrl_c(path, monkeypatch):
    """What was done stays; and a rebuild that ended makes all of it anew."""
    monkeypatch.setattr(catch_up, "catch_up", lambda *arguments, **options: False)  # else the background would do it
    store(path, *[record(task_id=str(number)) for number in range(1000)])
    monkeypatch.setattr(catch_up, "_SLICE_ROWS", 250)
    marks = []

    def interrupted(target):
        marks.append(target.execute("SELECT mark FROM rollup_state")[0][0])
        if len(marks) == 3:
            raise KeyboardInterrupt
        return advance(target)

    monkeypatch.setattr("learning_instrument.rollups.catch_up.advance", interrupted)
    assert ask(path, "rebuild").exit_code == 130
    assert marks == [0, 250, 500]

    assert answer(path, "rebuild") == f"Rebuilt roll-ups, error counts and search index of {path}: 1,000 executions.\n"
    assert marks[3] == 500

    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE rollup_days_task_tier SET executions = 7")
    connection.close()
    answer(path, "rebuild")
    assert document(path, "performance")["groups"][0]["executions"] == 1000


@pytest.fixture
def priced(path):
    """A database with a model call of one million tokens, without a price."""
    with LearningDatabase(path) as database:
        SQLiteSpanExporter(database).export([execution(1), chat(2, 1, model="ours", tokens=(1_000_000, 2))])
    return path


def test_reprice_prices_the_past_anew(priced, tmp_path):
    """With a table of one's own, and says which."""
    prices = tmp_path / "prices.toml"
    prices.write_text('date = "2026-11-22"\n[ours]\ninput = 2.5\n')
    assert document(priced, "summary")["unpriced"] == 1

    text = answer(priced, "reprice", "--prices", str(prices))

    assert text.startswith("Priced 1 model call with own prices (2026-11-22), else ")
    assert text.endswith("; 1 changed.\n1 execution changed cost: $2.50 more than before.\n")
    assert document(priced, "summary")["cost_usd"] == 2.5
    assert document(priced, "reprice", "--prices", str(prices))["changed"] == 0
    assert answer(priced, "reprice", "--prices", str(prices)).endswith("; 0 changed.\nNo execution changed cost.\n")
    assert rows(priced, "reprice", "--prices", str(prices))[0]["calls"] == "1"


def test_reprice_without_prices_is_refused(priced, monkeypatch):
    """It would only make unpriced what has a price."""
    monkeypatch.setattr(
        "learning_instrument.cli.commands.maintenance.price_table", lambda: PriceTable(None, None, None)
    )

    result = ask(priced, "reprice")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: No prices found: pip install 'learning_instrument[prices]'")
