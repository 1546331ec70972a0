"""What a comparison has to leave out, and fails: task types and tiers that only the side after has."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from .cells import Cell, CellName
from .clustering import Sample, design
from .mix import ENOUGH_IN_MIX
from .significance import benjamini_hochberg, t_tail

#: How much more of them may fail than of what they are held against.
LEEWAY: Final = 0.1
#: How often any is found where nothing is worse than that.
_LEVEL: Final = 0.01
#: Executions without which nothing is said.
_ENOUGH: Final = 10
#: Executions of the same task type before, without which those of all are what is held against.
_ENOUGH_ALIKE: Final = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Executions of the side after that have no like before, and of which more than the stated share fail."""

    #: Such as ``task type review, tier large``.
    what: str
    task_type: str | None
    model_tier: str | None
    executions: int
    failed_share: float
    #: What is exceeded: the share of failures before, and 10 points.
    stated_share: float
    #: Whose share of failures that is.
    against: str
    p_value: float


def find(before: Mapping[CellName, Cell], after: Mapping[CellName, Cell]) -> tuple[Finding, ...]:
    """Return what fails of the executions that have no like before, the largest first.

    Args:
        before: the cells of one side.
        after: the cells of the other.
    """
    new = {
        name: _Failures.of([cell])
        for name, cell in after.items()
        if (name not in before or before[name].executions < ENOUGH_IN_MIX) and cell.executions >= _ENOUGH
    }
    everything = _Failures.of(before.values())
    if not everything.executions or not new:
        return ()
    others = _Failures.of(cell for name, cell in after.items() if name not in new)
    dependence = max(everything.dependence, others.dependence)
    found: list[Finding] = []
    for name, failures in new.items():
        alike = _Failures.of(cell for other, cell in before.items() if other[0] == name[0])
        is_alike = name[0] is not None and alike.executions >= _ENOUGH_ALIKE
        baseline = alike if is_alike else everything
        found.append(
            Finding(
                _what(name),
                *name,
                executions=failures.executions,
                failed_share=failures.share,
                stated_share=min(1.0, baseline.share + LEEWAY),
                against=f"task type {name[0]} before" if is_alike else "all executions before",
                p_value=failures.p_value(baseline, dependence),
            )
        )
    is_believed = benjamini_hochberg([finding.p_value for finding in found], _LEVEL)
    believed = [finding for finding, is_one in zip(found, is_believed, strict=True) if is_one]
    return tuple(sorted(believed, key=lambda finding: (-finding.executions, finding.what)))


def _what(name: CellName) -> str:
    task_type, tier = name
    return ", ".join(
        text for text in (task_type and f"task type {task_type}", tier and f"tier {tier}") if text is not None
    )


@dataclass(frozen=True, slots=True)
class _Failures:
    """The failures among some executions, and how far they depend on one another."""

    executions: int
    failed: int
    dependence: float
    degrees: float

    @classmethod
    def of(cls, cells: Iterable[Cell]) -> "_Failures":
        # Within each cell: a cell that begins later is no outage.
        samples = [
            Sample.merged([stratum.samples["success"] for stratum in cell.strata.values()])
            for cell in cells
            if cell.executions
        ]
        executions = sum(sample.executions for sample in samples)
        failed = round(executions - math.fsum(sample.total for sample in samples))
        weighted = [(sample.executions / executions, sample) for sample in samples]
        variance = math.fsum(w * w * each.variance / each.executions for w, each in weighted if each.executions > 1)
        shape = design([weighted], variance)
        return cls(executions, failed, shape.effect, shape.degrees)

    @property
    def share(self) -> float:
        """The share that failed."""
        return self.failed / self.executions

    @property
    def _variance(self) -> float:
        # One more of each: where all fail there is no spread.
        guess = (self.failed + 1) / (self.executions + 2)
        return guess * (1 - guess) / self.executions

    def p_value(self, other: "_Failures", dependence: float) -> float:
        """Return how likely so many failures are by chance, if the leeway were all that is between their shares."""
        excess = self.share - other.share - LEEWAY
        variance = sum(each._variance * max(each.dependence, dependence) for each in (self, other))
        tail = t_tail(excess / math.sqrt(variance), min(self.degrees, other.degrees)) / 2
        return tail if excess > 0 else 1 - tail
