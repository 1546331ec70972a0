"""Message templates: the constant part of the error messages that one statement produces.

Step one masks the variable parts of each message (numbers, ids, paths). Step two merges masked messages of equal length
that have their telling words in common, and at least two thirds of all that are no masks. The first step depends on the
message alone, so its result can be stored; the second on the set of masked messages and their order.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from typing import Final

#: Raised with each change of :func:`mask` or :func:`merge`. Results of an older version are rebuilt; those of a newer
#: one stay, for the newer release.
VERSION: Final = 2
#: Stands for tokens that differ between the messages of one group.
ANY: Final = "<*>"
#: Characters, and then tokens, of a message that count. The rest of a longer message is usually data.
_MOST_CHARACTERS: Final = 500
_LONGEST: Final = 50

_QUOTED: Final = "|".join(
    (
        # An apostrophe within a word ends nothing, and begins nothing.
        *(rf"(?<!\w){quote}(?:[^{quote}\\\n]|\\.|{quote}(?=\w))*{quote}(?!\w)" for quote in "'\"`"),
        "“[^”\n]*”", "\u2018[^\u2019\n]*\u2019", "«[^»\n]*»", "»[^«\n]*«", "„[^“”\n]*[“”]", "「[^」\n]*」",
    )
)  # fmt: skip
_FILE_ENDINGS: Final = (
    "py|pyi|ipynb|js|jsx|ts|tsx|json|jsonl|ya?ml|toml|ini|cfg|txt|md|rst|csv|tsv|log|db|sqlite|sql|sh|html?|xml|css"
    "|[ch](?:pp)?|go|rs|java|rb|php|lock|parquet|zip|gz|tar|pdf|png|jpe?g|pem|env"
)
#: Patterns of variable parts, by the name of their mask. The first that matches at a position wins.
_VARIABLES: Final = {
    "URL": r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>)\]}]+",
    # Data printed as it is. Where it was cut, or lies deeper, it goes up to the end of the line.
    "DATA": r"\{(?=['\"\\])(?:[^{}\n]|\{(?:[^{}\n]|\{[^{}\n]*\})*\})*(?:\}|.*)",
    "TEXT": _QUOTED,
    "EMAIL": r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "ID": r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b|\b0[xX][0-9a-fA-F]+"
    r"|\b(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{7,}\b|\b(?=[\w-]*[0-9])(?=[\w-]*[A-Za-z])[A-Za-z0-9_-]{20,}(?![\w-])",
    "PATH": r"(?<![\w/\\<])(?:(?:[A-Za-z]:|~|\.{1,2})?(?:[/\\][\w.@~+%=-]+)+[/\\]?|(?:[\w.@~+-]+[/\\])+[\w.@~+-]+\.\w+"
    rf"|[\w.-]+\.(?:{_FILE_ENDINGS})(?![\w.]))",
    "TIME": r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?(?:Z|[+-]\d\d:?\d\d)?",
    "N": r"(?<![\w.])[-+]?\d[\d_]*(?:[.,:]\d+)*(?:[eE][-+]?\d+)?|\d+(?:[.,:]\d+)*",
}
#: None begins with a letter within a word; to say so once takes less time than to try each.
_VARIABLE: Final = re.compile(
    rf"(?!(?<=\w)[^\W\d])(?:{'|'.join(f'(?P<{name}>{pattern})' for name, pattern in _VARIABLES.items())})"
)
_REPEATED: Final = re.compile(r"(<[A-Z]+>)(?:, ?\1)+")
#: Tokens without a word, and such as are one: others may be names, versions, classes, calls.
_NO_WORD: Final = re.compile(r"(?:<[A-Z]+>|\W)*")
_PLAIN_WORD: Final = re.compile(r"[(\[\"']*(?:[^\W\d_]{2,}|\w*[^\W\d_]'[^\W\d_]+)[\])\"'.,:;!?]*")
_CAMEL_CASE: Final = re.compile(r"[a-z][A-Z]")
#: Nouns with the name of one after them: "table users".
_NAMED: Final = re.compile(
    "account|action|agent|argument|attribute|backend|branch|bucket|channel|check|class|cluster|codec|column"
    "|command|component|constraint|container|currency|database|dataset|dependency|device|directory|driver"
    "|encoding|endpoint|entity|environment|event|extension|feature|field|file|flag|folder|function|group|host"
    "|image|instance|job|key|label|language|library|locale|member|method|metric|model|module|namespace|node"
    "|object|operation|operator|option|organization|package|parameter|path|plugin|pool|process|profile|project"
    "|property|provider|queue|region|relation|remote|repo|repository|resource|role|rule|server|service|session"
    "|setting|shard|skill|stage|step|stream|table|tag|task|team|tenant|test|thread|tool|topic|type|user"
    "|variable|view|volume|worker|workspace|zone"
)
#: What stands before a value, unless a noun of these comes first. To what something failed is no value, but a verb.
_ANNOUNCED: Final = re.compile(r"(?i)[:=,]$|\b(?:in|for|from|(?<!failed )(?<!able )(?<!not )to)$")
_NAMED_BY: Final = ("name", "named", "called")
#: A group at most so far from a message: of the words, this share differs.
_MOST_DIFFERENT: Final = 1 / 3


def mask(message: str) -> str:
    """Return *message* with its variable parts masked: numbers, ids, times, paths, URLs, quoted text, printed data.

    Only the first of several lines counts; of a traceback the last.
    """
    masked = _VARIABLE.sub(
        lambda match: f"<{match.lastgroup}>", _telling_line(message.replace("\0", " "))[:_MOST_CHARACTERS]
    )
    tokens = _REPEATED.sub(r"\1", masked).split()
    return " ".join(tokens[:_LONGEST])


def merge(templates: Iterable[str]) -> dict[str, str]:
    """Return for each masked message the template of its group.

    A group keeps its messages: in the order of first appearance, a new message joins a group or founds one, and moves
    no other.

    Args:
        templates: results of :func:`mask`, in the order of first appearance.
    """
    groups: list[list[str]] = []
    shelves: defaultdict[tuple[str | None, ...], _Shelf] = defaultdict(_Shelf)
    group_of: dict[str, int] = {}
    for template in templates:
        if template in group_of:
            continue
        tokens = template.split()
        telling = _telling_words(tokens)
        shelf = shelves[telling]
        group = shelf.most_alike(tokens, telling, groups)
        if group is None:
            group = len(groups)
            groups.append(tokens)
            shelf.add(tokens, telling, group)
        else:
            groups[group] = [own if own == other else ANY for own, other in zip(groups[group], tokens, strict=True)]
        group_of[template] = group
    return {template: " ".join(groups[group]) for template, group in group_of.items()}


def _telling_words(tokens: list[str]) -> tuple[str | None, ...]:
    """Return the words of which one is enough to tell two statements apart ("table" and "column"), by their places.

    These are plain words. Where a value is announced (after ``:``, ``=``, ``,``, "in", "to" and the like, or a noun
    that has a name after it) a plain word may be the value, and tells nothing.
    """
    telling: list[str | None] = []
    is_announced = False
    for place, token in enumerate(tokens):
        is_plain = _PLAIN_WORD.fullmatch(token) is not None and not _CAMEL_CASE.search(token)
        word = token.lower()
        is_noun = _NAMED.fullmatch(word) is not None
        # After a mere sign, the "step" of "step fetch failed" announces, too.
        is_value = is_announced or (
            _ANNOUNCED.search(" ".join(tokens[max(0, place - 2) : place])) is not None
            and not (is_noun and place + 1 < len(tokens))
        )
        is_announced = word in _NAMED_BY or (is_noun and not is_value)
        telling.append(token if is_plain and not is_value else None)
    return tuple(telling)


@lru_cache(maxsize=4096)
def _is_word(token: str) -> bool:
    return token != ANY and _NO_WORD.fullmatch(token) is None


class _Shelf:
    """The groups with the same telling words."""

    def __init__(self) -> None:
        #: Groups of few other words, which a message without any of these may join.
        self._light: list[int] = []
        #: By another word and its place.
        self._places: defaultdict[tuple[int, str], list[int]] = defaultdict(list)

    def add(self, tokens: list[str], telling: tuple[str | None, ...], group: int) -> None:
        others = _other_words(tokens, telling)
        if self._is_light(telling, len(others)):
            self._light.append(group)
        for place in others:
            self._places[place].append(group)

    def most_alike(self, tokens: list[str], telling: tuple[str | None, ...], groups: list[list[str]]) -> int | None:
        """Return the group that shares the most words, if these are enough; of several the oldest."""
        others = _other_words(tokens, telling)
        count = len(others) + sum(word is not None for word in telling)
        needed = len(others) - int(_MOST_DIFFERENT * count)  # of these words, in whichever group
        shared = Counter(chain.from_iterable(self._places.get(place, ()) for place in others))
        candidates = {group for group, equal in shared.items() if equal >= needed}
        if self._is_light(telling, len(others)):
            candidates.update(self._light)
        best, most = None, (-1, -1)
        for group in sorted(candidates):
            pairs = list(zip(groups[group], tokens, strict=True))
            words = [own == other for own, other in pairs if _is_word(own) or _is_word(other)]
            alike = sum(words), sum(own == other for own, other in pairs)
            is_close = words.count(False) <= _MOST_DIFFERENT * len(words) if words else groups[group] == tokens
            if is_close and alike > most:
                best, most = group, alike
        return best

    @staticmethod
    def _is_light(telling: tuple[str | None, ...], others: int) -> bool:
        count = sum(word is not None for word in telling)
        return others <= _MOST_DIFFERENT * (count + others)


def _other_words(tokens: list[str], telling: tuple[str | None, ...]) -> list[tuple[int, str]]:
    return [
        (place, token)
        for place, (token, word) in enumerate(zip(tokens, telling, strict=True))
        if word is None and _is_word(token)
    ]


def _telling_line(message: str) -> str:
    lines = [line for line in message.splitlines() if line.strip()]
    if not lines:
        return ""
    if lines[0].startswith("Traceback (most recent call last)"):
        unindented = [line for line in lines[1:] if not line[0].isspace()]
        return (unindented or lines)[-1]
    return lines[0]
