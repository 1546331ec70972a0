"""The user's own prices: their table is read and checked, and a model is found in it."""

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from ..errors import ConfigurationError
from .model_calls import ModelCall
from .model_names import undated, without_vendor
from .token_classes import Usage

_MILLION: Final = Decimal(1_000_000)
#: Classes that the table has no price for, and that never cost what plain tokens do.
_UNPRICED: Final = ("audio", "image", "video", "searches", "compaction")


class Price(NamedTuple):
    """US dollars per million tokens."""

    input: Decimal
    cached: Decimal
    output: Decimal
    cache_write: Decimal
    cache_write_1h: Decimal

    def cost(self, usage: Usage) -> tuple[Decimal, bool]:
        """Return the cost of *usage*, and whether that is all of it."""
        counts = usage.counts
        cached, written = counts.get("cache_read_tokens", 0), counts.get("cache_write_tokens", 0)
        for_an_hour = counts.get("cache_write_1h_tokens", 0)
        total = (
            (counts.get("input_tokens", 0) - cached - written) * self.input
            + cached * self.cached
            + (written - for_an_hour) * self.cache_write
            + for_an_hour * self.cache_write_1h
            + counts.get("output_tokens", 0) * self.output
        )
        return total / _MILLION, not any(word in name for name, count in counts.items() for word in _UNPRICED if count)


_KINDS: Final = frozenset(Price._fields)
OwnTable = Mapping[str, Price]
"""Model, in lower case -> its price."""


def own_price(table: OwnTable, call: ModelCall) -> Price | None:
    """Return the price of a call's model in the user's *table*, or None.

    The exact name wins; else the longest one that is the model's but for vendor and date, as in the price list.
    """
    names = [name.strip().lower() for name in (call.model, call.response_model) if name is not None] if table else []
    for name in names:
        if name in table:
            return table[name]
    found = {form for name in names for form in _forms(name) if form in table}
    return table[max(found, key=lambda form: (len(form), form))] if found else None


def _forms(name: str) -> Iterator[str]:
    """Yield *name* without what stands before it, and without what ends it."""
    if name.startswith("ft:"):  # ft:gpt-4o-mini-2024-07-18:organisation::id
        yield from undated(":".join(name.split(":")[:2]))
        return
    rest = name
    while rest:
        yield from undated(rest)
        rest = rest.partition("/")[2]
    yield from undated(without_vendor(name))


def read_table(given: "Mapping[str, Any] | str | os.PathLike[str] | None") -> tuple[OwnTable, date | None]:
    """Return the table of the user's own prices, and its date.

    Args:
        given: as :func:`learning_instrument.costs.prices.prices_of` takes it.

    Raises:
        ConfigurationError: if it cannot be read, or holds an invalid price.
    """
    if given is None:
        given = os.environ.get("LEARNING_INSTRUMENT_PRICES") or {}
    table = dict(given if isinstance(given, Mapping) else _read(given))
    day = table.pop("date", None)
    if isinstance(day, str):
        try:
            day = date.fromisoformat(day)
        except ValueError as error:
            raise ConfigurationError(
                f"Invalid date {day!r} of the prices: expected a date such as 2026-11-23."
            ) from error
    if day is not None and not isinstance(day, date):
        raise ConfigurationError(f"Invalid date {day!r} of the prices: expected a date such as 2026-11-23.")
    for model in table:
        if not isinstance(model, str):
            raise ConfigurationError(f"Invalid model {model!r} of the prices: expected its name as text.")
    return {model.strip().lower(): _price(model, entry) for model, entry in table.items()}, day


def _read(path: Any) -> Mapping[str, Any]:
    try:
        # tomllib came with Python 3.11; tomli is the same for 3.10.
        toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ImportError as error:
        raise ConfigurationError(
            f"Cannot read the prices in {path!r}: Python 3.10 has no TOML reader; pip install tomli."
        ) from error
    try:
        with open(os.path.expanduser(path), "rb") as file:
            table: Mapping[str, Any] = toml.load(file)
    except (OSError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"Cannot read the prices in {path!r}: {error}. Expected a mapping or a TOML file."
        ) from error
    return table


def _price(model: Any, entry: Any) -> Price:
    if not isinstance(entry, Mapping) or not entry or entry.keys() - _KINDS:
        raise ConfigurationError(
            f"Invalid price {entry!r} of {model!r}: expected input, cached, cache_write, cache_write_1h and output, in"
            " US dollars per million tokens."
        )
    amounts = {kind: _amount(model, kind, value) for kind, value in entry.items()}
    charge = amounts.get("input", Decimal(0))
    write = amounts.get("cache_write", charge)
    return Price(
        input=charge,
        cached=amounts.get("cached", charge),
        output=amounts.get("output", Decimal(0)),
        cache_write=write,
        cache_write_1h=amounts.get("cache_write_1h", write),
    )


def _amount(model: Any, kind: str, value: Any) -> Decimal:
    try:
        # From its text: 0.1 is exactly a tenth.
        amount = Decimal(str(value)) if isinstance(value, (int, float, Decimal)) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if isinstance(value, bool) or not amount.is_finite() or amount < 0:
        raise ConfigurationError(
            f"Invalid price {kind}={value!r} of {model!r}: expected US dollars per million tokens."
        )
    return amount
