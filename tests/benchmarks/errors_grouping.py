"""Grouping of failures by message: ours beside drain3, on labelled failures.

Grouping accuracy as in the literature on log parsing: the share of messages whose group holds exactly the messages
of their label. Each way is told the class of the exception, and groups within it.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from learning_instrument import message_templates

from .error_messages import Failure, failures
from .provoked_errors import provoked

#: The masks of the example that comes with drain3.
_THEIR_MASKS: Final = (
    (r"((?<=[^A-Za-z0-9])|^)(([0-9a-f]{2,}:){3,}([0-9a-f]{2,}))((?=[^A-Za-z0-9])|$)", "ID"),
    (r"((?<=[^A-Za-z0-9])|^)(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})((?=[^A-Za-z0-9])|$)", "IP"),
    (r"((?<=[^A-Za-z0-9])|^)([0-9a-f]{6,} ?){3,}((?=[^A-Za-z0-9])|$)", "SEQ"),
    (r"((?<=[^A-Za-z0-9])|^)([0-9A-F]{4} ?){4,}((?=[^A-Za-z0-9])|$)", "SEQ"),
    (r"((?<=[^A-Za-z0-9])|^)(0x[a-f0-9A-F]+)((?=[^A-Za-z0-9])|$)", "HEX"),
    (r"((?<=[^A-Za-z0-9])|^)([\-\+]?\d+)((?=[^A-Za-z0-9])|$)", "NUM"),
    (r"(?<=executed cmd )(\".+?\")", "CMD"),
)


def grouping_accuracy(labels: Sequence[Hashable], groups: Sequence[Hashable]) -> float:
    """Return the share of messages whose group holds exactly those of their label."""
    labelled, grouped = _members(labels), _members(groups)
    expected = set(labelled.values())
    return sum(len(members) for members in grouped.values() if members in expected) / len(labels)


def _members(names: Sequence[Hashable]) -> dict[Hashable, frozenset[int]]:
    members = defaultdict(set)
    for index, name in enumerate(names):
        members[name].add(index)
    return {name: frozenset(indices) for name, indices in members.items()}


def ours(labelled: Sequence[Failure]) -> list[Hashable]:
    """Group as the question ``errors`` does."""
    masked = [(failure.exception_type, message_templates.mask(failure.message)) for failure in labelled]
    by_class = defaultdict(list)
    for exception_type, template in masked:
        by_class[exception_type].append(template)
    merged = {exception_type: message_templates.merge(found) for exception_type, found in by_class.items()}
    return [(exception_type, merged[exception_type][template]) for exception_type, template in masked]


def drain3(labelled: Sequence[Failure], masks: Sequence[tuple[str, str]] = _THEIR_MASKS) -> list[Hashable]:
    """Group with drain3, one miner for each class; the group of a message is that which its miner has at the end."""
    from drain3 import TemplateMiner

    miners = {failure.exception_type: TemplateMiner(config=_config(masks)) for failure in labelled}
    return [
        (failure.exception_type, miners[failure.exception_type].add_log_message(failure.message)["cluster_id"])
        for failure in labelled
    ]


def drain3_with_our_masks(labelled: Sequence[Failure]) -> list[Hashable]:
    """Group with drain3 what our masks made of the messages."""
    return drain3([failure._replace(message=message_templates.mask(failure.message)) for failure in labelled], masks=())


def _config(masks: Sequence[tuple[str, str]]) -> Any:
    from drain3.masking import MaskingInstruction
    from drain3.template_miner_config import TemplateMinerConfig

    config = TemplateMinerConfig()
    config.masking_instructions = [MaskingInstruction(pattern, name) for pattern, name in masks]
    return config


OURS: Final = "ours"
DRAIN3: Final = "drain3, the masks of its example"
_Way = Callable[[Sequence[Failure]], list[Hashable]]
_WAYS: Final[dict[str, _Way]] = {
    OURS: ours,
    DRAIN3: drain3,
    "drain3 behind our masks": drain3_with_our_masks,
}


@dataclass(frozen=True)
class Accuracy:
    """Of one way, over the sets of failures."""

    name: str
    mean: float
    lowest: float
    highest: float
    #: For one message.
    microseconds: float


def measure(count: int = 4000, sets: int = 20) -> list[Accuracy]:
    """Group *sets* of *count* failures; which statements fail often differs between them."""
    return _measure_all([failures(count, seed) for seed in range(1, sets + 1)])


def measure_provoked(sets: int = 5) -> list[Accuracy]:
    """Group *sets* of failures that libraries raise."""
    return _measure_all([provoked(seed) for seed in range(1, sets + 1)])


def _measure_all(sets: Sequence[list[Failure]]) -> list[Accuracy]:
    return [_measure(name, group, sets) for name, group in _WAYS.items()]


def _measure(
    name: str, group: Callable[[Sequence[Failure]], list[Hashable]], sets: Sequence[list[Failure]]
) -> Accuracy:
    started = time.perf_counter()
    found = [group(labelled) for labelled in sets]
    microseconds = (time.perf_counter() - started) / sum(map(len, sets)) * 1e6
    accuracies = [
        grouping_accuracy([failure.label for failure in labelled], groups)
        for labelled, groups in zip(sets, found, strict=True)
    ]
    return Accuracy(name, statistics.mean(accuracies), min(accuracies), max(accuracies), microseconds)
