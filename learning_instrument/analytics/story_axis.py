"""Where the lines of a story lie on one axis of time: one decision for all that draw them."""

import math
from dataclasses import dataclass

from .story import Story, StoryLine


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a line lies. Places are shares of the axis, from 0 to 1; one outside is at the edge."""

    start: float
    #: The end of its wait within the pool.
    work: float
    end: float
    #: Whether it begins before the axis, and whether it ends after it by more than can be seen.
    is_before: bool
    is_after: bool
    #: Whether any of it is within the axis.
    is_within: bool


@dataclass(frozen=True, slots=True)
class StoryAxis:
    """The time from the start of the wait to the end of the execution, in seconds from its start."""

    start: float
    end: float

    @classmethod
    def of(cls, story: Story) -> "StoryAxis":
        """Return the axis of a *story*; where its length was not measured, up to the last measured end within it."""
        start = -max(0.0, _known(story.spent.queue_seconds) or 0.0)
        within = [_known(line.end_seconds) for line in story.lines if line.is_timed and line.depth]
        end = _known(story.seconds) if story.is_timed else max(filter(None, within), default=0.0)
        return cls(start, max(end or 0.0, start))

    def extent(self, line: StoryLine, least: float) -> Extent | None:
        """Return where *line* lies; None where its start is unknown, or its length was not measured.

        Args:
            line: one of the story.
            least: the share of the axis that can be seen: what ends later by less ends with the axis.
        """
        start, end = _known(line.offset_seconds), _known(line.end_seconds)
        if start is None or end is None or not line.is_timed:
            return None
        end = max(start, end)
        work = min(end, start + max(0.0, _known(line.wait_seconds) or 0.0))
        is_earlier, is_later = start < self.start and end <= self.start, start > self.end
        return Extent(
            self.share(start),
            self.share(work),
            self.share(end),
            is_before=start < self.start,
            is_after=is_later or end > self.end + (self.end - self.start) * least,
            is_within=not (is_earlier or is_later),
        )

    def share(self, moment: float) -> float:
        """Return the place of a *moment*; of one outside that of the edge."""
        length = self.end - self.start
        share = (moment - self.start) / length if length > 0 else 0.0
        return max(0.0, min(1.0, share))


def _known(seconds: float | None) -> float | None:
    return seconds if seconds is not None and math.isfinite(seconds) else None
