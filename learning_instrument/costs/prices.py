"""Prices model calls: by the user's own table first, then by ``genai-prices`` where it is installed."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from .listed_prices import listed_cost
from .model_calls import PARTIAL, PRICED, REPORTED, UNPRICED, ModelCall
from .own_prices import OwnTable, own_price, read_table
from .price_list import price_table
from .token_classes import is_whole, usage_of

_OWN: Final = "own prices"


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices calls.

    Args:
        own: model, in lower case -> its price.
        day: the date of the user's own table.
    """

    own: OwnTable = field(default_factory=dict)
    day: date | None = None

    def priced(self, call: ModelCall) -> ModelCall:
        """Return *call* with its cost.

        A reported cost stays, unless it is 0 without tokens or for a model that is not free. A cost of which a part is
        unknown is ``partial``, and an unknown one ``unpriced``, never 0.
        """
        if call.cost and call.price_table is None:
            has_broken_off = None not in (call.input_tokens, call.output_tokens) and not is_whole(call)
            return call._replace(cost_source=PARTIAL if has_broken_off else REPORTED)
        usage = usage_of(call)
        own = own_price(self.own, call)
        if own is None:
            found = listed_cost(call, usage)
        else:  # it has no price for a service tier
            found = own.cost(usage) if usage.is_any and usage.tier is None else None
        if call.cost_source == REPORTED and usage.is_any and (found is None or not found[0]):
            return call
        if found is None:
            return call._replace(cost=None, cost_source=UNPRICED, price_table=None)
        cost, has_all_prices = found
        return call._replace(
            cost=float(cost),
            cost_source=PRICED if has_all_prices and is_whole(call) else PARTIAL,
            price_table=str(price_table()) if own is None else _OWN if self.day is None else f"{_OWN} ({self.day})",
        )


def prices_of(given: "Prices | Mapping[str, Any] | str | os.PathLike[str] | None") -> Prices:
    """Return the prices given to ``configure(prices=...)``.

    Args:
        given: model -> ``{"input": 3, "cached": 0.3, "cache_write": 3.75, "cache_write_1h": 6, "output": 15}`` in US
            dollars per million tokens, where what a model does not have may be left out: ``cached`` and ``cache_write``
            are then that of the input, and ``cache_write_1h`` that of ``cache_write``; or the path of a TOML file that
            says the same, by default ``$LEARNING_INSTRUMENT_PRICES``. An entry ``date`` is the table's own date.

    Raises:
        ConfigurationError: if it cannot be read, or holds an invalid price.
    """
    return given if isinstance(given, Prices) else Prices(*read_table(given))
