"""Variants timed side by side: blocks in turn, each between two of one yardstick, in an order drawn anew each round.

A shared machine changes its speed by a half from one second to the next: so each block is put in relation to the
yardstick's blocks around it, and the spread of these ratios over the rounds is part of the result.
"""

import asyncio
import contextlib
import gc
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

#: Calls of a block: enough for the background to take part, and fewer than the SDK's queue of 2,048 spans.
BLOCK_CALLS: Final = 2000
_WARM_UP_ROUNDS: Final = 1


def nothing() -> None:
    """Have nothing to wait for, nothing to prepare, and nothing to do later."""


@dataclass(frozen=True)
class Variant:
    """One of the things that are compared."""

    name: str
    call: Callable[[Any], Any]
    #: Waits until what the calls left to the background is written.
    drain: Callable[[], object] = nothing
    #: Called before each block, untimed.
    prepare: Callable[[], object] = nothing
    #: Does, after each block, what else its calls leave to be done, so that none of it runs within another block.
    settle: Callable[[], object] = nothing
    #: Whether the calls are awaited, in a running loop.
    is_async: bool = False


class Block(NamedTuple):
    """What one call of a block took, in nanoseconds; or these figures as multiples of the yardstick's."""

    #: Wall time of the whole loop, until the last call has returned.
    wall: float
    #: The same until everything is written.
    written: float
    #: Processor time of all threads of the process, until everything is written.
    processor: float
    #: Processor time of what is done after that. Its multiple is that of the yardstick's processor time.
    later: float

    def over(self, yardstick: "Block") -> "Block":
        """Return the multiples of *yardstick*."""
        return Block(
            self.wall / yardstick.wall,
            self.written / yardstick.written,
            self.processor / yardstick.processor,
            self.later / yardstick.processor,
        )

    def less(self, other: "Block") -> "Block":
        """Return the differences."""
        return Block(*[this - that for this, that in zip(self, other, strict=True)])


class Spread(NamedTuple):
    """The median of some rounds, and the quartiles."""

    median: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


class Spreads(NamedTuple):
    """The spread of each figure of a block over the rounds."""

    wall: Spread
    written: Spread
    processor: Spread
    later: Spread

    @classmethod
    def of(cls, blocks: Iterable[Block]) -> "Spreads":
        """Return those of *blocks*."""
        columns = list(zip(*blocks, strict=True))
        if len(columns[0]) == 1:
            return cls(*[Spread(*column * 3) for column in columns])
        quartiles = [statistics.quantiles(column, method="inclusive") for column in columns]
        return cls(*[Spread(median, low, high) for low, median, high in quartiles])


@dataclass
class Timings:
    """The blocks of one variant, round by round, and beside each what the yardstick took around it."""

    blocks: list[Block] = field(default_factory=list)
    pace: list[Block] = field(default_factory=list)

    def typical(self) -> Block:
        """Return the medians of the blocks."""
        return _medians(self.blocks)

    def relative(self) -> list[Block]:
        """Return each block as multiples of the yardstick."""
        return [block.over(pace) for block, pace in zip(self.blocks, self.pace, strict=True)]

    def ratios(self) -> Block:
        """Return the medians of the multiples."""
        return _medians(self.relative())

    def spreads(self) -> Spreads:
        """Return the medians of the multiples, and their quartiles."""
        return Spreads.of(self.relative())

    def over(self, other: "Timings") -> Spreads:
        """Return how often this is the *other* variant, which was measured in the same rounds."""
        return Spreads.of(this.over(that) for this, that in zip(self.relative(), other.relative(), strict=True))

    def beyond(self, other: "Timings") -> list[Block]:
        """Return what this takes more than *other*, round by round, in multiples of the yardstick."""
        return [this.less(that) for this, that in zip(self.relative(), other.relative(), strict=True)]


def _medians(blocks: Sequence[Block]) -> Block:
    return Block(*[statistics.median(column) for column in zip(*blocks, strict=True)])


def interleave(
    variants: Sequence[Variant], yardstick: Variant, arguments: Sequence[Any], rounds: int
) -> dict[str, Timings]:
    """Time *rounds* blocks of each variant, each a call for every one of *arguments*."""
    timings = {variant.name: Timings() for variant in variants}
    order = list(variants)
    shuffle = random.Random(2).shuffle
    with _collecting_little():
        for number in range(-_WARM_UP_ROUNDS, rounds):
            shuffle(order)
            before = time_block(yardstick, arguments)
            for variant in order:
                block = time_block(variant, arguments)
                after = time_block(yardstick, arguments)
                if number >= 0:
                    timings[variant.name].blocks.append(block)
                    pace = Block(*[statistics.mean(pair) for pair in zip(before, after, strict=True)])
                    timings[variant.name].pace.append(pace)
                before = after
    return timings


@contextlib.contextmanager
def _collecting_little() -> Iterator[None]:
    """Keep what was imported out of collections: one before each block would take longer than the block."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def time_block(variant: Variant, arguments: Sequence[Any]) -> Block:
    """Time a call for every one of *arguments*."""
    variant.prepare()
    call, clock, processor = variant.call, time.perf_counter_ns, time.process_time_ns
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        gc.collect()
        used, started = processor(), clock()
        if variant.is_async:
            loop.run_until_complete(_await_each(call, arguments))
        else:
            for argument in arguments:
                call(argument)
        returned = clock()
        variant.drain()
        written, done = clock(), processor()
    used_later = processor()
    variant.settle()
    times = returned - started, written - started, done - used, processor() - used_later
    return Block(*[nanoseconds / len(arguments) for nanoseconds in times])


async def _await_each(call: Callable[[Any], Any], arguments: Sequence[Any]) -> None:
    for argument in arguments:
        await call(argument)
