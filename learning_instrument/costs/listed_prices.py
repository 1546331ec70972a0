"""The cost of a model call by the list of ``genai-prices``, and whether that is all of it.

The list prices a class of tokens that has no price of its own as plain tokens. That is right for some classes (a write
to the cache of a provider that charges none) and wrong for others (audio).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, time, timezone
from decimal import Decimal
from typing import Any, Final

from ..timestamps import from_iso
from .model_calls import ModelCall
from .model_names import is_gateway, provider_in, references
from .price_list import find_model, genai_prices
from .token_classes import Usage

_MEDIA: Final = ("audio", "image", "video")
#: Where a variant of a price is for a service tier.
_TIER_KEYS: Final = frozenset({"processing", "service_tier", "speed"})
#: Billed as plain tokens by every provider that has no price for them.
_AS_PLAIN: Final = frozenset({
    "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "input_text_tokens", "cache_text_read_tokens",
    "cache_text_write_tokens", "input_tool_tokens", "output_text_tokens", "output_reasoning_tokens",
    "output_citation_tokens",
})  # fmt: skip
_COUNTED_IN_THOUSANDS: Final = ("searches", "executions")


def listed_cost(call: ModelCall, usage: Usage) -> tuple[Decimal, bool] | None:
    """Return the cost of *call*, and whether that is all of it; None: the list has no price for it, or is missing."""
    package = genai_prices() if usage.is_any else None
    if package is None:
        return None
    for name, provider in _names(call):
        found = find_model(name, provider)
        if found is None:
            continue
        try:
            variant = _variant(usage.tier, *found, from_iso(call.timestamp))
            if variant is not None:
                return _cost(package, usage.counts, name, provider, *variant)
        except Exception:  # counts that contradict each other; for any reason, a call without a price is unpriced
            continue
    return None


def _names(call: ModelCall) -> Iterator[tuple[str, str | None]]:
    """Yield the names of a call's model in the list: of the one that answered, then of the one that was asked for."""
    if call.response_model is not None:
        is_told = call.provider is not None and not is_gateway(call.provider)
        asked = None if is_told or call.model is None else provider_in(call.model)
        yield from references(call.response_model, asked or call.provider)
    if call.model is not None and call.model != call.response_model:
        yield from references(call.model, call.provider)


def _variant(
    tier: str | None, provider: Any, model: Any, moment: datetime
) -> tuple[Mapping[str, str], datetime] | None:
    """Return what selects the prices of a *tier*, and the moment they are of; None: the model has none for it."""
    if tier is None:
        return {}, moment
    # The list ignores variants of a model that the provider takes over from another one.
    variants: Iterable[Any] = model.price_variants or () if any(model is each for each in provider.models) else ()
    found = [each for each in variants if list(each.when.values()) == [tier] and each.when.keys() <= _TIER_KEYS]
    for variant in found:
        if variant.constraint is None or variant.constraint.active(moment):
            return dict(variant.when), moment
    # It counts from the day on which it came to the list; before that day it is right if the plain price was the same.
    starts = [each.constraint.start_date for each in found if hasattr(each.constraint, "start_date")]
    if starts:
        start = datetime.combine(min(starts), time(), timezone.utc)
        if model.get_prices(start) == model.get_prices(moment):
            return dict(found[0].when), start
    return None


def _cost(
    package: Any,
    counts: Mapping[str, int],
    name: str,
    provider: str | None,
    context: Mapping[str, str],
    moment: datetime,
) -> tuple[Decimal, bool] | None:
    classes = package.Usage()  # it has those that this release knows
    known = {each: count for each, count in counts.items() if hasattr(classes, each)}
    found = [
        package.calc_price(
            package.Usage(**known, **cached),
            name,
            provider_id=provider,
            genai_request_timestamp=moment,
            price_context=context,
        )
        for cached in _cached_media(known)
    ]
    least = min(found, key=lambda price: price.total_price)
    prices = {key for key, value in vars(least.model_price).items() if value is not None and not key.startswith("_")}
    if not prices:  # for nothing
        return least.total_price, True
    is_whole = all(price.total_price == least.total_price for price in found) and all(
        each in known and _has_price(each, prices, least.provider.id) for each, count in counts.items() if count
    )
    # A model with a price for something else, such as the hours of a recording.
    return (least.total_price, is_whole) if is_whole or least.total_price else None


def _cached_media(counts: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Yield the least and the most of each medium that can have been read from the cache, where that is not told."""
    least, most = {}, {}
    cached = counts.get("cache_read_tokens", 0)
    told = sum(counts.get(f"cache_{medium}_read_tokens", 0) for medium in ("text", *_MEDIA))
    for medium in _MEDIA:
        name, tokens = f"cache_{medium}_read_tokens", counts.get(f"input_{medium}_tokens", 0)
        if name not in counts and tokens and cached:
            least[name] = max(0, tokens + cached - counts["input_tokens"])
            most[name] = max(0, min(tokens, cached - told))
    yield least
    if least != most:
        yield most


def _has_price(name: str, prices: Collection[str], provider: str) -> bool:
    """Tell whether *prices* have the price of a class: its own, or rightly that of plain tokens."""
    key = f"{name}_kcount" if name.endswith(_COUNTED_IN_THOUSANDS) else f"{name.removesuffix('_tokens')}_mtok"
    if key in prices:
        return True
    is_input = name.startswith(("input_", "cache_"))
    if ("input_mtok" if is_input else "output_mtok") not in prices:
        return False
    if name == "cache_write_1h_tokens":  # the price of a write is that for five minutes
        return "cache_write_mtok" not in prices
    # Google's list names the media that cost more than text, and so does that of a model with a price for any.
    are_told_apart = (provider == "google" and is_input) or any(medium in key for key in prices for medium in _MEDIA)
    return name in _AS_PLAIN or (are_told_apart and any(medium in name for medium in _MEDIA))
