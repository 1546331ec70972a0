"""The attributes of a model call's span -> what they say, by field: counts, costs and names, in any vocabulary.

Counts are made inclusive: the input holds what was read from the cache and written to it, the output the reasoning.
"""

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ..safety.sanitize import exact, label_of
from .model_names import is_gateway
from .usage_members import ANTHROPIC_MEMBERS, COST_TOTALS, USAGE_MEMBERS
from .vocabularies import (
    ANSWER,
    CLASSES,
    COMPACTIONS,
    COSTS,
    FIRST_CHUNK_MILLISECONDS,
    FIRST_CHUNK_TIME,
    FIVE_MINUTES,
    FRESH_INPUT,
    FRESH_OUTPUT,
    INPUT_COST,
    ONE_HOUR,
    OUTPUT_COST,
    PARAMETERS,
    PLAIN_TIERS,
    REQUEST_ID,
    TOTAL,
    USAGE,
    VOCABULARIES,
    Keys,
)

Said = dict[str, Any]

TEXT_LIMIT: Final = 200
#: For how many sets of keys it is known what is read of them: spans of one library mostly have the same.
REMEMBERED_KEYS: Final = 256
MOST_TOKENS: Final = 10**12
_MOST_DOLLARS: Final = 1e9
MOST_SECONDS: Final = 1e7
_LONGEST_NUMBER: Final = 40
#: Longer objects of usage are not read.
_LONGEST_JSON: Final = 20_000
_MOST_PARAMETERS: Final = 4_000

_INPUT_MEDIA: Final = ("input_audio_tokens", "input_image_tokens", "input_video_tokens")
_OUTPUT_MEDIA: Final = ("output_audio_tokens", "output_image_tokens")
#: A class -> what it is within.
_WITHIN: Final = {
    name: "output_tokens" if name.startswith("output_") else "cached_tokens" if "_read_" in name else "input_tokens"
    for name in CLASSES
    if name not in (ONE_HOUR, "web_searches", *COMPACTIONS)
}
#: What may not be within the input or the output, and what tells that.
_PARTS: Final = frozenset(
    {
        *("cached_tokens", "cache_write_tokens", FIVE_MINUTES, ONE_HOUR, "output_reasoning_tokens"),
        *(*_INPUT_MEDIA, *_OUTPUT_MEDIA, FRESH_INPUT, FRESH_OUTPUT, TOTAL),
    }
)
_JSON_WORDS: Final = {"'": '"', "None": "null", "True": "true", "False": "false"}
_PYTHON_WORD: Final = re.compile("|".join(_JSON_WORDS))
_PARAMETER: Final = re.compile(r'"(service_tier|model)"\s*:\s*"([\w./:@-]{1,200})"')


def _places(vocabularies: Iterable[Keys]) -> dict[str, list[tuple[int, str, str]]]:
    """Return the fields that each attribute may hold, with its rank: the first of all with a valid value counts."""
    places: dict[str, list[tuple[int, str, str]]] = {}
    for keys in vocabularies:
        for field, names in keys.items():
            for name in names:
                places.setdefault(name, []).append((sum(map(len, places.values())), field, name))
    return places


_ATTRIBUTES: Final = _places(vocabulary.keys for vocabulary in VOCABULARIES)
_MEMBERS: Final = _places([USAGE_MEMBERS])

_COUNTED: Final = frozenset({"input_tokens", "output_tokens", FRESH_INPUT, FRESH_OUTPUT, TOTAL, USAGE})


def keys_of(*fields: str) -> frozenset[str]:
    """Return the attributes that may hold one of *fields*."""
    return frozenset(key for key, places in _ATTRIBUTES.items() if any(field in fields for _, field, _ in places))


#: The attributes that say how many tokens a call used.
COUNTS: Final = keys_of(*_COUNTED)
#: Those that only a span with a model's answer has.
ANSWERS: Final = keys_of("response_id", "finish_reason", ANSWER)
#: Those with a part of it: an empty answer has a role.
PARTS_OF_ANSWERS: Final = keys_of(ANSWER) - {"llm.output_messages.0.message.role"}
PAID: Final = keys_of("cost")
MODELS: Final = keys_of("model") - {"model_name"}
#: All that are read, and those of them whose values, contents of messages, are not.
KEYS: Final = frozenset(_ATTRIBUTES)
CONTENTS: Final = keys_of(ANSWER)


def has_tokens(attributes: Mapping[str, Any]) -> bool:
    """Tell whether *attributes* say that tokens were used."""
    return any(_counts(attributes))


def has_cost(attributes: Mapping[str, Any]) -> bool:
    """Tell whether *attributes* say that something was paid."""
    return any(dollars(attributes[key]) for key in PAID & attributes.keys())


def has_counts(attributes: Mapping[str, Any]) -> bool:
    """Tell whether *attributes* hold a count of tokens, be it 0."""
    return any(True for _ in _counts(attributes))


def _counts(attributes: Mapping[str, Any]) -> Iterator[int]:
    for key in COUNTS & attributes.keys():
        found: Iterable[Any] = (count(attributes[key]),)
        if any(field == USAGE for _, field, _ in _ATTRIBUTES[key]):
            said: Said = {}
            _read_usage(attributes[key], said)
            found = (said.get(field) for field in _COUNTED)
        yield from (tokens for tokens in found if tokens is not None)


def read(attributes: Mapping[str, Any]) -> Said:
    """Return what *attributes* say of a model call, by the names of columns and of classes of tokens."""
    said: Said = {}
    plain, objects = _fields(tuple(attributes))
    for field, key, clean in plain:
        if field not in said:
            value = clean(attributes[key])
            if value is not None:
                said[field] = value
    for key, read_object in objects:  # after the attributes, which say it plainly
        read_object(attributes[key], said)
    if "cost" not in said and INPUT_COST in said and OUTPUT_COST in said:
        said["cost"] = said[INPUT_COST] + said[OUTPUT_COST]
    if said.get("response_id") == said.get(REQUEST_ID):
        said.pop("response_id", None)
    _make_inclusive(said)
    return said


@functools.lru_cache(maxsize=REMEMBERED_KEYS)
def _fields(keys: tuple[str, ...]) -> tuple[list[tuple[str, str, Any]], list[tuple[str, Any]]]:
    """Return what is read of *keys*: fields with what cleans their value, and objects with their reader."""
    found = sorted([place for key in _ATTRIBUTES.keys() & set(keys) for place in _ATTRIBUTES[key]])
    return (
        [
            (field, key, _CLEAN.get(field, count))
            for _, field, key in found
            if field not in _OBJECTS and field != ANSWER
        ],
        [(key, _OBJECTS[field]) for _, field, key in found if field in _OBJECTS],
    )


def count(value: Any) -> int | None:
    """Return a count of tokens; some libraries write it as a float or as text."""
    if type(value) is int:
        return value if 0 <= value <= MOST_TOKENS else None
    value = exact(value)
    if isinstance(value, str):
        value = _number(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MOST_TOKENS:
        return None
    return int(value) if int(value) == value else None


def dollars(value: Any) -> float | None:
    """Return an amount of US dollars. NaN fails both comparisons."""
    return _amount(value, _MOST_DOLLARS)


def text(value: Any) -> str | None:
    """Return a name: text, JSON text, or the first of a list of them."""
    if type(value) is str and value and value[0] not in '"[':
        return label_of(value, TEXT_LIMIT)
    value = exact(value)
    if isinstance(value, str) and value:
        parsed = _json(value)
        value = value if parsed is None else parsed
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        value = exact(value[0]) if value else None
    if not isinstance(value, str) or not value:
        return None
    return label_of(value, TEXT_LIMIT)


def _seconds(value: Any) -> float | None:
    return _amount(value, MOST_SECONDS)


def _amount(value: Any, most: float) -> float | None:
    value = exact(value)
    if isinstance(value, str):
        value = _number(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
        return None
    return float(value)


def _number(written: str) -> float | None:
    if len(written) > _LONGEST_NUMBER:
        return None
    try:
        return float(written)
    except ValueError:
        return None


def _finish_reason(value: Any) -> str | None:
    """The first reason; ``error`` where one of several is that: the conventions mark a broken stream so."""
    value = exact(value)
    if isinstance(value, str) and value[:1] == "[":
        value = _json(value)
    if isinstance(value, (list, tuple)):
        reasons = [exact(reason) for reason in value]
        value = "error" if "error" in reasons else reasons[0] if reasons else None
    return text(value)


def _provider(value: Any) -> str | None:
    """A provider; the name of a framework in its place only where there is no other."""
    provider = text(value)
    return None if provider is None or is_gateway(provider) else provider


def _json(written: Any) -> Any:
    """Return what the JSON text *written* holds, or that of a Python dict; None where it is neither."""
    written = exact(written)
    if not isinstance(written, str) or len(written) > _LONGEST_JSON:
        return None
    if written[:2] == "{'":
        written = _PYTHON_WORD.sub(lambda word: _JSON_WORDS[word[0]], written)
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return None


def _flat(value: Any) -> dict[str, Any]:
    """Return the members of an object, those of its objects with a dot."""
    members = value if isinstance(value, Mapping) else _json(value)
    if not isinstance(members, Mapping):
        return {}
    flat: dict[str, Any] = {}
    for name, member in members.items():
        if isinstance(member, Mapping):
            flat.update({f"{name}.{inner}": item for inner, item in member.items()})
        else:
            flat[str(name)] = member
    return flat


def _read_usage(value: Any, said: Said) -> None:
    members = _flat(value)
    read_here: set[str] = set()
    for _, field, name in sorted([place for key in _MEMBERS.keys() & members.keys() for place in _MEMBERS[key]]):
        if field not in said:
            found = _CLEAN.get(field, count)(members[name])
            if found is not None:
                said[field] = found
                read_here.add(name)
    if "input_tokens" in read_here and TOTAL not in said and not ANTHROPIC_MEMBERS.isdisjoint(read_here):
        said[FRESH_INPUT] = said.pop("input_tokens")


def _read_costs(value: Any, said: Said) -> None:
    amounts = {name: dollars(amount) for name, amount in _flat(value).items()}
    total = next((amounts[name] for name in COST_TOTALS if amounts.get(name) is not None), None)
    if total is None and amounts and None not in amounts.values():
        total = sum(amount for amount in amounts.values() if amount is not None)
    if total is not None:
        said.setdefault("cost", dollars(total))


def _read_parameters(value: Any, said: Said) -> None:
    """The tier and the model that were asked for: a search, for the parameters hold whole schemas of tools."""
    value = exact(value)
    if isinstance(value, str):
        for name, asked in _PARAMETER.findall(value[:_MOST_PARAMETERS]):
            said.setdefault(name, label_of(asked, TEXT_LIMIT))


_OBJECTS: Final = {USAGE: _read_usage, COSTS: _read_costs, PARAMETERS: _read_parameters}
_CLEAN: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("model", "response_model", "response_id", REQUEST_ID, "service_tier", FIRST_CHUNK_TIME), text),
    "provider": _provider,
    "finish_reason": _finish_reason,
    **dict.fromkeys(("cost", INPUT_COST, OUTPUT_COST), dollars),
    **dict.fromkeys(("time_to_first_chunk_seconds", FIRST_CHUNK_MILLISECONDS), _seconds),
}


def _make_inclusive(said: Said) -> None:
    """Let input and output hold all their classes, and drop counts that cannot be true.

    The conventions want them so, but many libraries write the cache beside the input. The total tells which; without
    one, a cache larger than the input is beside it, and so it is where the vocabulary says that.
    """
    if not said.keys().isdisjoint(_PARTS):
        _add_parts(said)
    if not said.get("input_tokens") and not said.get("output_tokens"):  # of an answer that was not understood
        said["input_tokens"] = said["output_tokens"] = None
    elif said.get("input_tokens") == 0:  # no answer is to nothing
        said["input_tokens"] = None
    for name in _WITHIN.keys() & said.keys():
        if said[name] > (said.get(_WITHIN[name]) or 0):
            del said[name]


def _add_parts(said: Said) -> None:
    by_life = said.get(FIVE_MINUTES, 0) + said.get(ONE_HOUR, 0)
    if by_life > said.get("cache_write_tokens", 0):
        said["cache_write_tokens"] = by_life
    read_tokens, written = said.get("cached_tokens", 0), said.get("cache_write_tokens", 0)
    cached = read_tokens + written
    inputs = _possible(said, "input_tokens", FRESH_INPUT, (cached, read_tokens, written), cached, _INPUT_MEDIA)
    reasoning = said.get("output_reasoning_tokens", 0)
    outputs = _possible(said, "output_tokens", FRESH_OUTPUT, (reasoning,), reasoning, _OUTPUT_MEDIA)
    said["input_tokens"], said["output_tokens"] = _fitting(inputs, outputs, said.get(TOTAL))
    if (said["input_tokens"] or cached) < cached or (said["output_tokens"] or reasoning) < reasoning:
        said["input_tokens"] = said["output_tokens"] = None  # a total that leaves less than the parts


def _possible(said: Said, whole: str, fresh: str, beside: Iterable[int], least: int, media: Iterable[str]) -> list[int]:
    """Return what a count may come to with its classes, the likeliest first."""
    media_tokens = sum(said.get(name, 0) for name in media)
    if whole in said:
        tokens: int = said[whole]
        if media_tokens > tokens:
            tokens += media_tokens
        candidates = [tokens, *(tokens + extra for extra in beside)]
    elif fresh in said:
        tokens = said[fresh]
        candidates = [tokens + least + media_tokens, tokens + least, tokens]
    else:
        return []
    return [candidate for candidate in dict.fromkeys(candidates) if candidate >= least]


def _fitting(inputs: Sequence[int], outputs: Sequence[int], total: int | None) -> tuple[int | None, int | None]:
    """Return the input and the output that add up to *total*, else the likeliest; one of them may follow from it."""
    if total is not None and inputs and outputs:
        for tokens_in in inputs:
            for tokens_out in outputs:
                if tokens_in + tokens_out == total:
                    return tokens_in, tokens_out
    likely_in, likely_out = (inputs[0] if inputs else None), (outputs[0] if outputs else None)
    if total is not None and likely_out is None:
        likely_out = _rest(total, inputs)
    elif total is not None and likely_in is None:
        likely_in = _rest(total, outputs)
    return likely_in, likely_out


def _rest(total: int, candidates: Sequence[int]) -> int | None:
    """Return what is left of *total*, where only one of *candidates* is below it."""
    below = [candidate for candidate in candidates if candidate < total]
    return total - below[0] if len(below) == 1 else None


def tier_of(said: Mapping[str, Any]) -> str | None:
    """Return the service tier, unless it is the plain one."""
    tier = str(said.get("service_tier") or "").lower().replace("-", "_")
    return None if tier in PLAIN_TIERS else tier
