"""Variants timed side by side: short blocks in turn, in an order drawn anew for each round.

A shared machine changes its speed by a half from one second to the next. So each block runs between two short
blocks of one yardstick, is put in relation to these, and counts only where the two agree.
"""

import gc
import itertools
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

_PACE_CALLS: Final = 250
#: The yardstick's block after another block may differ so much from the one before it.
_STEADY: Final = 1.1
_WARM_UP_ROUNDS: Final = 2
_PATIENCE: Final = 4


def nothing() -> None:
    """Have nothing to wait for, and nothing to prepare."""


@dataclass(frozen=True)
class Variant:
    """One of the things that are compared."""

    name: str
    call: Callable[[Any], object]
    #: Waits until what the calls left to the background is done.
    drain: Callable[[], object] = nothing
    #: Called before each block, untimed.
    prepare: Callable[[], object] = nothing


class Block(NamedTuple):
    """What one call of a block took, in nanoseconds."""

    #: The median call.
    median: float
    #: Wall time: what the background takes from the calls shows here.
    wall: float
    #: Processor time of all threads, until the background is done as well.
    processor: float


@dataclass
class Timings:
    """The blocks of one variant, and beside each what the yardstick took around it."""

    blocks: list[Block] = field(default_factory=list)
    pace: list[Block] = field(default_factory=list)

    def typical(self) -> Block:
        """Return the medians of the blocks."""
        return Block(*[statistics.median(column) for column in zip(*self.blocks, strict=True)])

    def ratios(self) -> Block:
        """Return the medians of the ratios to the yardstick."""
        pairs = zip(self.blocks, self.pace, strict=True)
        ratios = [[this / that for this, that in zip(*pair, strict=True)] for pair in pairs]
        return Block(*[statistics.median(column) for column in zip(*ratios, strict=True)])


def interleave(
    variants: Sequence[Variant], yardstick: Variant, arguments: Sequence[Any], rounds: int
) -> dict[str, Timings]:
    """Time *rounds* steady blocks of each variant, each a call for every one of *arguments*."""
    timings = {variant.name: Timings() for variant in variants}
    order = list(variants)
    shuffle = random.Random(2).shuffle
    for number in range(_WARM_UP_ROUNDS + _PATIENCE * rounds):
        shuffle(order)
        for variant in order:
            timing = timings[variant.name]
            if len(timing.blocks) == rounds:
                continue
            before = time_block(yardstick, arguments[:_PACE_CALLS])
            block = time_block(variant, arguments)
            after = time_block(yardstick, arguments[:_PACE_CALLS])
            is_steady = 1 / _STEADY < after.median / before.median < _STEADY
            if number >= _WARM_UP_ROUNDS and is_steady:
                timing.blocks.append(block)
                timing.pace.append(Block(*[statistics.mean(pair) for pair in zip(before, after, strict=True)]))
    if unsteady := [name for name, timing in timings.items() if not timing.blocks]:
        raise RuntimeError(f"The machine is too busy to measure {', '.join(unsteady)}.")
    return timings


def time_block(variant: Variant, arguments: Sequence[Any]) -> Block:
    """Time a call for every one of *arguments*."""
    variant.prepare()
    gc.collect()
    call, clock = variant.call, time.perf_counter_ns
    ticks = [0] * len(arguments)
    used = time.process_time_ns()
    started = clock()
    for number, argument in enumerate(arguments):
        call(argument)
        ticks[number] = clock()
    variant.drain()
    used = time.process_time_ns() - used
    median = statistics.median(later - earlier for earlier, later in itertools.pairwise([started, *ticks]))
    return Block(median, (ticks[-1] - started) / len(arguments), used / len(arguments))
