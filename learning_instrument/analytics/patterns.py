"""Solutions that worked more than once: the summaries of successful executions, those that say the same together.

Two summaries of one task type belong together where they share most of their words, rare words weighing more. A
summary says nothing of the failures of such tasks, so the success rate is that of all executions whose task
descriptions have the same template, whether they left a summary or not.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .. import message_templates
from ..errors import ConfigurationError
from ..rollups.measures import COST_NANO, IS_ASSUMED, IS_PARTIAL, IS_PRICED, NANO_SCALE
from ..sqlite.selection import Queryable, Selection, newest
from .executions import execution_ids
from .intervals import Proportion, wilson
from .shared_words import words

#: The least Dice coefficient of the words of two summaries in one pattern.
_ALIKE: Final = 0.6
_EXAMPLES: Final = 3
#: So many executions are read: each may have words of its own.
_NEWEST: Final = 200_000
_HAS_SUMMARY: Final = "success AND solution_summary IS NOT NULL AND solution_summary <> ''"
_TIER: Final = "CASE WHEN instr(defaulted, '\"model_tier\"') = 0 THEN model_tier END"

_Kind = tuple[str, str]  # task type, template of the description


@dataclass(frozen=True, slots=True)
class SolutionPattern:
    """Successful executions whose summaries say the same."""

    #: The most frequent of the summaries.
    summary: str
    task_type: str
    #: How many successful executions have such a summary.
    support: int
    #: Of all executions of tasks like theirs, failures and those without a summary included.
    executions: int
    success: Proportion
    #: Of those that succeeded among them: how many returned without saying so.
    assumed: int
    #: Their success rate over that of all executions of the task type; above 1, tasks like these fail less.
    lift: float
    #: Mean US dollars of those with such a summary whose cost is known.
    mean_cost_usd: float | None
    #: Those among them of which a part of the cost is unknown: the mean is a lower bound then.
    partial: int
    #: The tier with the highest lower bound of its success rate on tasks like theirs; None where no tier was reported.
    best_tier: str | None
    #: Execution ids, the newest first.
    examples: tuple[str, ...]


def solution_patterns(
    database: Queryable, selection: Selection | None = None, *, min_support: int = 3, limit: int | None = None
) -> list[SolutionPattern]:
    """Return the patterns in the summaries of successful executions, that with the most support first.

    Of more than 200,000 executions the newest are read.

    Args:
        database: the one to ask.
        selection: which executions; by default all.
        min_support: how many successful executions a pattern has at least.
        limit: the most to return; None: all.

    Raises:
        ConfigurationError: for a support or a limit that is no number above 0.
        DatabaseError: if the database cannot be read.
    """
    for name, value in (("min_support", min_support), ("limit", limit)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ConfigurationError(f"Invalid {name} {value!r}: expected a number above 0.")
    condition, parameters = newest(database, selection or Selection(), _NEWEST).condition()
    solved = database.query(
        f"SELECT task_type, task_description, solution_summary, {_TIER} AS model_tier, count(*) AS executions,"
        f" count(*) AS succeeded, total({IS_ASSUMED}) AS assumed, total({COST_NANO}) AS cost_nano,"
        f" total({IS_PRICED}) AS priced, total({IS_PARTIAL}) AS partial, max(rowid) AS newest"
        f" FROM executions WHERE {_HAS_SUMMARY} AND {condition} GROUP BY 1, 2, 3, 4",
        parameters,
    )
    if not solved:
        return []
    others = database.query(
        f"SELECT task_type, task_description, {_TIER} AS model_tier, count(*) AS executions,"
        f" total(success) AS succeeded, total({IS_ASSUMED}) AS assumed"
        f" FROM executions WHERE NOT ifnull({_HAS_SUMMARY}, 0) AND {condition} GROUP BY 1, 2, 3",
        parameters,
    )
    for row in (*solved, *others):
        row["kind"] = row["task_type"], message_templates.mask(row["task_description"] or "")
    outcomes = _Outcomes([*solved, *others])
    clusters = [cluster for cluster in _clusters(solved) if cluster.support >= min_support]
    clusters.sort(key=lambda cluster: (-cluster.support, cluster.task_type, cluster.summary))
    clusters = clusters[:limit]
    ids = execution_ids(database, [rowid for cluster in clusters for rowid in cluster.examples])
    return [_pattern(cluster, outcomes, ids) for cluster in clusters]


@dataclass(slots=True)
class _Cluster:
    task_type: str
    words: frozenset[str]
    summaries: Counter[str] = field(default_factory=Counter)
    kinds: set[_Kind] = field(default_factory=set)
    cost_nano: float = 0.0
    priced: float = 0.0
    partial: float = 0.0
    newest: list[int] = field(default_factory=list)

    @property
    def support(self) -> int:
        return sum(self.summaries.values())

    @property
    def summary(self) -> str:
        return min(self.summaries, key=lambda summary: (-self.summaries[summary], summary))

    @property
    def examples(self) -> list[int]:
        return sorted(self.newest, reverse=True)[:_EXAMPLES]

    def add(self, row: Mapping[str, Any]) -> None:
        self.summaries[row["solution_summary"]] += row["executions"]
        self.kinds.add(row["kind"])
        self.cost_nano += row["cost_nano"]
        self.priced += row["priced"]
        self.partial += row["partial"]
        self.newest.append(row["newest"])


class _Outcomes:
    """How many executions there were of each kind of task and tier, and how many of them succeeded."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._of_kind: defaultdict[_Kind, Counter[str | None]] = defaultdict(Counter)
        self._succeeded: defaultdict[_Kind, Counter[str | None]] = defaultdict(Counter)
        self._assumed: Counter[_Kind] = Counter()
        for row in rows:
            kind = row["kind"]
            self._of_kind[kind][row["model_tier"]] += row["executions"]
            self._succeeded[kind][row["model_tier"]] += round(row["succeeded"])
            self._assumed[kind] += round(row["assumed"])

    def success(self, kinds: Collection[_Kind]) -> Proportion:
        succeeded = sum(self._succeeded[kind].total() for kind in kinds)
        rate = wilson(succeeded, self.executions(kinds))
        assert rate is not None, "a pattern has executions"
        return rate

    def executions(self, kinds: Collection[_Kind]) -> int:
        return sum(self._of_kind[kind].total() for kind in kinds)

    def assumed(self, kinds: Collection[_Kind]) -> int:
        return sum(self._assumed[kind] for kind in kinds)

    def of_type(self, task_type: str) -> list[_Kind]:
        return [kind for kind in self._of_kind if kind[0] == task_type]

    def best_tier(self, kinds: Collection[_Kind]) -> str | None:
        executions: Counter[str | None] = Counter()
        succeeded: Counter[str | None] = Counter()
        for kind in kinds:
            executions.update(self._of_kind[kind])
            succeeded.update(self._succeeded[kind])
        lows = {
            tier: rate.low
            for tier, count in executions.items()
            if tier is not None and (rate := wilson(succeeded[tier], count)) is not None
        }
        return min(lows, key=lambda tier: (-lows[tier], tier), default=None)


def _pattern(cluster: _Cluster, outcomes: _Outcomes, ids: Mapping[int, str]) -> SolutionPattern:
    success = outcomes.success(cluster.kinds)
    return SolutionPattern(
        summary=cluster.summary,
        task_type=cluster.task_type,
        support=cluster.support,
        executions=outcomes.executions(cluster.kinds),
        success=success,
        assumed=outcomes.assumed(cluster.kinds),
        lift=success.estimate / outcomes.success(outcomes.of_type(cluster.task_type)).estimate,
        mean_cost_usd=cluster.cost_nano / NANO_SCALE / cluster.priced if cluster.priced else None,
        partial=round(cluster.partial),
        best_tier=outcomes.best_tier(cluster.kinds),
        examples=tuple(ids[rowid] for rowid in cluster.examples if rowid in ids),
    )


def _clusters(rows: Iterable[Mapping[str, Any]]) -> list[_Cluster]:
    of_type: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        of_type[row["task_type"]].append(row)
    return [cluster for task_type, its_rows in of_type.items() for cluster in _clusters_of(task_type, its_rows)]


def _clusters_of(task_type: str, rows: list[Mapping[str, Any]]) -> list[_Cluster]:
    """Return the clusters of one task type: each summary joins the one that it is most like, or founds its own."""
    bags: defaultdict[frozenset[str], list[Mapping[str, Any]]] = defaultdict(list)
    said = {row["solution_summary"] for row in rows}
    words_of = {summary: frozenset(words(message_templates.mask(summary))) for summary in said}
    for row in rows:
        bags[words_of[row["solution_summary"]]].append(row)
    counts = Counter(word for bag in bags for word in bag)
    weights = {word: math.log(1 + len(bags) / count) for word, count in counts.items()}
    # The frequent ones found the clusters; the order of the rows changes nothing.
    order = sorted(bags, key=lambda bag: (-sum(row["executions"] for row in bags[bag]), sorted(bag)))
    clusters: list[_Cluster] = []
    places: defaultdict[str, list[int]] = defaultdict(list)  # a founder's word -> its cluster
    for bag in order:
        index = _most_alike(bag, clusters, places, weights)
        if index is None:
            index = len(clusters)
            clusters.append(_Cluster(task_type, bag))
            for word in bag:
                places[word].append(index)
        for row in bags[bag]:
            clusters[index].add(row)
    return clusters


def _most_alike(
    bag: frozenset[str], clusters: list[_Cluster], places: Mapping[str, list[int]], weights: Mapping[str, float]
) -> int | None:
    """Return the cluster that *bag* is alike enough to; of several the one it is most like, then the oldest."""
    whole = math.fsum(weights[word] for word in bag)
    least = whole * _ALIKE / (2 - _ALIKE)  # of the shared weight; see similarity.py
    found: set[int] = set()
    seen = 0.0
    for word in sorted(bag, key=lambda word: (-weights[word], word)):
        found.update(places.get(word, ()))
        seen += weights[word]
        if seen > (whole - least) * (1 + 1e-9):
            break
    scores = {}
    for index in found:
        founder = clusters[index].words
        shared = math.fsum(weights[word] for word in bag & founder)
        scores[index] = 2 * shared / (whole + math.fsum(weights[word] for word in founder))
    best = min(scores, key=lambda index: (-scores[index], index), default=None)
    return best if best is not None and scores[best] >= _ALIKE else None
