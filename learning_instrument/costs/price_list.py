"""The price list of ``genai-prices``, where it is installed.

Loading it takes half a second, so the first call that needs it loads it, on the background writer's thread.
"""

import functools
import importlib
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any, Final

#: Beyond this number of names they are searched for again.
_MOST_NAMES: Final = 10_000


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
    return PriceTable("genai-prices", str(package.__version__), _current().day)


def find_model(name: str, provider: str | None) -> tuple[Any, Any] | None:
    """Return the list's provider and model of a *name*, or None: not installed, or not in the list.

    Args:
        name: the model's name.
        provider: the list's name of the provider, or None: by the model's name alone.
    """
    return None if genai_prices() is None else _current().find(name, provider)


@functools.cache
def genai_prices() -> Any:
    """Return the package ``genai_prices``, or None."""
    try:
        return importlib.import_module("genai_prices")
    except Exception:  # not installed, or broken: calls are unpriced then, and nothing fails
        return None


class _List:
    """One state of the list, and what was found in it: each search reads all of it."""

    def __init__(self, snapshot: Any) -> None:
        self.snapshot = snapshot
        self._found: dict[tuple[str, str | None], tuple[Any, Any] | None] = {}

    def find(self, name: str, provider: str | None) -> tuple[Any, Any] | None:
        key = name, provider
        try:
            return self._found[key]
        except KeyError:
            if len(self._found) >= _MOST_NAMES:
                self._found.clear()
            found = self._found[key] = self._search(name, provider)
            return found

    def _search(self, name: str, provider: str | None) -> tuple[Any, Any] | None:
        try:
            found: tuple[Any, Any] = self.snapshot.find_provider_model(name, None, provider, None)
        except Exception:  # a LookupError; for any other reason, too, the model has no price
            return None
        # A fine-tuned model's name starts like that of its base.
        return None if ".ft-" in name and ".ft-" not in found[1].id else found

    @functools.cached_property
    def day(self) -> date | None:
        """The date of its last update, else the newest one, not in the future, of a price's start or check."""
        if self.snapshot.from_auto_update:
            updated: date = self.snapshot.timestamp.date()
            return updated
        today = datetime.now(timezone.utc).date()
        days = set()
        for provider in self.snapshot.providers:
            for model in provider.models:
                prices = model.prices if isinstance(model.prices, list) else []
                days |= {getattr(getattr(price, "constraint", None), "start_date", None) for price in prices}
                days.add(getattr(model, "prices_checked", None))
        return max((day for day in days if isinstance(day, date) and day <= today), default=None)


class _Last:
    """The list that was read last; ``genai-prices`` may update it."""

    list: _List | None = None


def _current() -> _List:
    snapshot, last = importlib.import_module("genai_prices.data_snapshot").get_snapshot(), _Last.list
    if last is None or last.snapshot is not snapshot:
        last = _Last.list = _List(snapshot)
    return last
