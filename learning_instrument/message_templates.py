"""Message templates: the constant part of the error messages that one statement produces.

Step one masks the variable parts of each message (numbers, ids, paths). Step two merges masked messages of equal
length that share at least half of their tokens. The first step depends on the message alone, so its result can be
stored; the second on the set of masked messages and their order.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

#: Raised with each change of :func:`mask`. Results of an older version are rebuilt; those of a newer one stay, for the
#: newer release.
VERSION: Final = 1
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
_VARIABLE: Final = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _VARIABLES.items()))
_REPEATED: Final = re.compile(r"(<[A-Z]+>)(?:, ?\1)+")


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
    places: defaultdict[tuple[int, int, str], list[int]] = defaultdict(list)
    group_of: dict[str, int] = {}
    for template in templates:
        if template in group_of:
            continue
        tokens = template.split()
        group = _most_alike(tokens, groups, places)
        if group is None:
            group = len(groups)
            groups.append(tokens)
            for position, token in enumerate(tokens):
                places[len(tokens), position, token].append(group)
        else:
            groups[group] = [own if own == other else ANY for own, other in zip(groups[group], tokens, strict=True)]
        group_of[template] = group
    return {template: " ".join(groups[group]) for template, group in group_of.items()}


def _most_alike(
    tokens: list[str], groups: list[list[str]], places: dict[tuple[int, int, str], list[int]]
) -> int | None:
    """Return the group that shares the most tokens, if that is at least half of them; of several the oldest."""
    shared: defaultdict[int, int] = defaultdict(int)
    for position, token in enumerate(tokens):
        for group in places.get((len(tokens), position, token), ()):
            if groups[group][position] == token:  # otherwise it became ANY since
                shared[group] += 1
    best = min(shared, key=lambda group: (-shared[group], group), default=None)
    return best if best is not None and 2 * shared[best] >= len(tokens) else None


def _telling_line(message: str) -> str:
    lines = [line for line in message.splitlines() if line.strip()]
    if not lines:
        return ""
    if lines[0].startswith("Traceback (most recent call last)"):
        unindented = [line for line in lines[1:] if not line[0].isspace()]
        return (unindented or lines)[-1]
    return lines[0]
