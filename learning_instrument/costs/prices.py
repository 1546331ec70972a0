"""Prices model calls: by the user's own table first, then by ``genai-prices`` where it is installed."""

import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from ..errors import ConfigurationError
from ..timestamps import from_iso
from .model_calls import PRICED, REPORTED, UNPRICED, ModelCall
from .price_list import genai_prices, price_table

_MILLION: Final = Decimal(1_000_000)
_OWN: Final = "own prices"
_KINDS: Final = frozenset({"input", "cached", "output"})


class Price(NamedTuple):
    """US dollars per million tokens."""

    input: Decimal
    cached: Decimal
    output: Decimal


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices calls.

    Args:
        own: model, in lower case -> its price.
        day: the date of the user's own table.
    """

    own: Mapping[str, Price] = field(default_factory=dict)
    day: date | None = None

    def priced(self, call: ModelCall) -> ModelCall:
        """Return *call* with its cost. A reported cost stays; an unknown one is ``unpriced``, never 0."""
        if call.cost_source == REPORTED:
            return call
        own = self._own_cost(call)
        if own is not None:
            name = _OWN if self.day is None else f"{_OWN} ({self.day})"
            return call._replace(cost=own, cost_source=PRICED, price_table=name)
        cost = _listed_cost(call)
        if cost is not None:
            return call._replace(cost=cost, cost_source=PRICED, price_table=str(price_table()))
        return call._replace(cost=None, cost_source=UNPRICED, price_table=None)

    def _own_cost(self, call: ModelCall) -> float | None:
        names = [name.lower() for name in (call.model, call.response_model) if name is not None]
        price = next((self.own[name] for name in names if name in self.own), None)
        if price is None or not _has_tokens(call):
            return None
        cached = min(call.cached_tokens or 0, call.input_tokens or 0)
        fresh = (call.input_tokens or 0) - cached
        total = fresh * price.input + cached * price.cached + (call.output_tokens or 0) * price.output
        return float(total / _MILLION)


def prices_of(given: "Prices | Mapping[str, Any] | str | os.PathLike[str] | None") -> Prices:
    """Return the prices given to ``configure(prices=...)``.

    Args:
        given: model -> ``{"input": 0.2, "cached": 0.05, "output": 0.6}`` in US dollars per million tokens, where
            ``cached`` may be left out (it is then that of the input) and so may what a model does not have; or the
            path of a TOML file that says the same, by default ``$LEARNING_INSTRUMENT_PRICES``. An entry ``date`` is the
            table's own date.

    Raises:
        ConfigurationError: if it cannot be read, or holds an invalid price.
    """
    if isinstance(given, Prices):
        return given
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
    return Prices({model.lower(): _price(model, entry) for model, entry in table.items()}, day)


def _listed_cost(call: ModelCall) -> float | None:
    """Return the cost by ``genai-prices``, or None: not installed, an unknown model, or invalid token counts."""
    package = genai_prices() if _has_tokens(call) else None
    if package is None:
        return None
    counts = {
        "input_tokens": call.input_tokens or 0,
        "output_tokens": call.output_tokens or 0,
        "cache_read_tokens": call.cached_tokens,
        "cache_write_tokens": call.cache_write_tokens,
    }
    for model, provider in _references(call):
        try:
            moment = from_iso(call.timestamp)
            usage = package.Usage(**{name: count for name, count in counts.items() if count is not None})
            price = package.calc_price(usage, model, provider_id=provider, genai_request_timestamp=moment)
            return float(price.total_price)
        except Exception:  # usually a LookupError; for any reason, a call without a price is unpriced
            continue
    return None


def _references(call: ModelCall) -> list[tuple[str, str | None]]:
    """Return the names that the call's model may have in the table, each with its provider.

    An unknown provider is kept: a model served locally under a well-known name has another price, or none.
    """
    found: list[tuple[str, str | None]] = []
    for model in dict.fromkeys(filter(None, (call.response_model, call.model))):
        prefix, slash, rest = model.partition("/")
        if call.provider is not None:
            found.append((model, call.provider))
            found.append((model, call.provider.replace("_", "-")))
            if slash and prefix.lower() == call.provider.lower():
                found.append((rest, call.provider))
        else:
            found.append((model, None))
            if slash:
                found.append((rest, prefix))
    return list(dict.fromkeys(found))


def _has_tokens(call: ModelCall) -> bool:
    return call.input_tokens is not None or call.output_tokens is not None


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
            f"Invalid price {entry!r} of {model!r}: expected input, cached and output, in US dollars per million"
            " tokens."
        )
    amounts = {kind: _amount(model, kind, value) for kind, value in entry.items()}
    charge = amounts.get("input", Decimal(0))
    return Price(charge, amounts.get("cached", charge), amounts.get("output", Decimal(0)))


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
