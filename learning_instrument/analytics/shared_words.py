"""The executions whose descriptions share words with a text, by what the shared words weigh.

The index finds candidates and Python compares. Of each word, the newest executions are listed; those with the most
shared weight are compared. Executions that the index lacks are indexed in memory, for the one question.
"""

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from ..sqlite.selection import Queryable, Selection
from .sources.source import Source, source_of
from .sources.words import WordList

#: Words of a text with lists of their own; the most frequent of a longer text share the last one.
_LISTS: Final = 40
_WORD: Final = re.compile(r"[^\W_]+")
_ACCENTS: Final = re.compile("[\u0300-\u036f]")


def words(text: str) -> dict[str, str]:
    """Return the words of *text* as they are compared, in lower case and without accents -> as they are written."""
    return {_folded(word): word for word in _WORD.findall(text)}


def _folded(word: str) -> str:
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", word.lower())))


def by_words(database: Queryable, task_description: str, selection: Selection, threshold: float) -> dict[int, float]:
    """Return the rowids of executions that share words with *task_description*, each with its score.

    The score is the weight of the shared words, twice over what both have together.

    Args:
        database: the one to ask.
        task_description: any text.
        selection: which executions.
        threshold: the least score; one that is 0 is never returned.
    """
    asked = words(task_description)
    if not asked:
        return {}
    source = source_of(database)
    weights = _Weights(source, asked)
    whole = weights.of(asked)
    # score = 2 s / (w + d) of the shared weight, the query's and the description's; with d >= s, s is at least this:
    least = whole * threshold / (2 - threshold)
    lists = _lists(_rarest(asked, weights, whole - least), asked, weights)
    candidates = source.described(lists, selection)
    described = {text: words(text).keys() for text in set(candidates.values())}
    shared = {text: weights.of(found & asked.keys()) for text, found in described.items()}
    # A rounding error must not lose one that is just alike enough.
    alike = [text for text, weight in shared.items() if weight and weight >= least * (1 - 1e-9)]
    weights.look_up({word for text in alike for word in described[text]})
    scores = {text: min(1.0, 2 * shared[text] / (whole + weights.of(described[text]))) for text in alike}
    return {
        rowid: scores[text] for rowid, text in candidates.items() if text in scores and scores[text] >= threshold - 1e-9
    }


def _rarest(asked: Mapping[str, str], weights: "_Weights", more_than: float) -> list[str]:
    """Return the rarest words whose weight exceeds the difference that similar descriptions may have."""
    chosen: list[str] = []
    weight = 0.0
    for word in sorted(asked, key=lambda word: (-weights.of([word]), word)):
        chosen.append(word)
        weight += weights.of([word])
        if weight > more_than * (1 + 1e-9):
            break
    return chosen


def _lists(chosen: Sequence[str], asked: Mapping[str, str], weights: "_Weights") -> list[WordList]:
    """Return what is looked for."""
    lists = [WordList({word: asked[word]}, weights.of([word])) for word in chosen]
    alone, others = lists[: _LISTS - 1], lists[_LISTS - 1 :]
    if others:
        alone.append(WordList({word: asked[word] for each in others for word in each.words}, others[0].weight))
    return alone


class _Weights:
    """Weights of words: the rarer in the descriptions, the higher."""

    def __init__(self, source: Source, some: Iterable[str]) -> None:
        self._source = source
        self._weights: dict[str, float] = {}
        self.look_up(some)

    def look_up(self, some: Iterable[str]) -> None:
        executions, counts = self._source.frequencies(set(some) - self._weights.keys())
        for word, count in counts.items():
            self._weights[word] = math.log(1 + (max(executions, count) + 1) / (count + 0.5))

    def of(self, some: Collection[str]) -> float:
        # Summed in one order: the same words weigh the same to the last digit.
        return math.fsum(self._weights[word] for word in some)
