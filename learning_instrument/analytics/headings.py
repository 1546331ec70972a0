"""What the figures of each section of a report come to, in one sentence."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    """What some figures come to."""

    #: One plain sentence, no markup, no full stop at its end.
    text: str
    #: How well it is supported, or what was left out.
    evidence: str = ""
