"""The price list of ``genai-prices``, where it is installed.

Loading it takes half a second, so the first call that needs it loads it, on the background writer's thread.
"""

import functools
import importlib
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The price table in use."""

    #: ``genai-prices``, or None where it is not installed.
    name: str | None
    version: str | None
    #: The date of its last update where it updates itself, else that of its newest price.
    day: date | None

    def __str__(self) -> str:
        return "no price table" if self.name is None else f"{self.name} {self.version} ({self.day or 'no date'})"


def price_table() -> PriceTable:
    """Return the price table in use in this process, beside the user's own prices."""
    package = genai_prices()
    if package is None:
        return PriceTable(None, None, None)
    return PriceTable("genai-prices", str(package.__version__), _date_of(_snapshot()))


def find_model(name: str, provider: str | None) -> tuple[Any, Any] | None:
    """Return the list's provider and model of a *name*, or None: not installed, or not in the list.

    Args:
        name: the model's name.
        provider: the list's name of the provider, or None: by the model's name alone.
    """
    if genai_prices() is None:
        return None
    try:
        found: tuple[Any, Any] = _snapshot().find_provider_model(name, None, provider, None)
    except Exception:  # a LookupError; for any other reason, too, the model has no price
        return None
    # A fine-tuned model's name starts like that of its base.
    return None if ".ft-" in name and ".ft-" not in found[1].id else found


@functools.cache
def genai_prices() -> Any:
    """Return the package ``genai_prices``, or None."""
    try:
        return importlib.import_module("genai_prices")
    except Exception:  # not installed, or broken: calls are unpriced then, and nothing fails
        return None


def _snapshot() -> Any:
    return importlib.import_module("genai_prices.data_snapshot").get_snapshot()


class _Dates:
    """The date of the last snapshot: finding it reads all prices."""

    last: tuple[Any, date | None] = (None, None)


def _date_of(snapshot: Any) -> date | None:
    seen, found = _Dates.last
    if seen is not snapshot:
        found = snapshot.timestamp.date() if snapshot.from_auto_update else _newest_price(snapshot)
        _Dates.last = snapshot, found
    return found


def _newest_price(snapshot: Any) -> date | None:
    """Return the newest day, not in the future, on which a price of the table took effect or was checked."""
    today = datetime.now(timezone.utc).date()
    days = set()
    for provider in snapshot.providers:
        for model in provider.models:
            prices = model.prices if isinstance(model.prices, list) else []
            days |= {getattr(getattr(price, "constraint", None), "start_date", None) for price in prices}
            days.add(getattr(model, "prices_checked", None))
    return max((day for day in days if isinstance(day, date) and day <= today), default=None)
