"""Histograms with bins of equal ratio: quantiles of rolled-up values, within 1.5% of the exact ones.

A histogram is bytes: pairs of bin and count, 16 bits each. Histograms are added by putting one behind the other.
"""

import math
import struct
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

#: The upper edge of a bin is so many times its lower one; its middle is within 1.5% of all that is in it.
RATIO: Final = 1.03
#: The first bin holds values below a microsecond, the last those above ten million seconds.
LOWEST: Final = 1e-6
LAST: Final = 1013
#: The lower edges of the bins but for the first, which has what is below all of them.
EDGES: Final = tuple(LOWEST * RATIO**number for number in range(LAST))
_LARGEST_COUNT: Final = 0xFFFF
PAIR_BYTES: Final = 4
#: For each bin, in their order, the histogram of one value in it.
ONE_OF_EACH: Final = b"".join(struct.pack("<2H", number, 1) for number in range(LAST + 1))


def middle(number: int) -> float:
    """Return the value that stands for all in bin *number*."""
    return LOWEST * RATIO ** (number - 0.5) if number else 0.0


def pack(counts: Mapping[int, int]) -> bytes:
    """Return the histogram of *counts*, bin -> how many; none may be negative."""
    pairs: list[int] = []
    for number in sorted(counts):
        left = counts[number]
        while left > _LARGEST_COUNT:
            pairs.append(_LARGEST_COUNT << 16 | number)
            left -= _LARGEST_COUNT
        if left > 0:
            pairs.append(left << 16 | number)
    return struct.pack(f"<{len(pairs)}I", *pairs)


def add(histogram: bytes, counts: Counter[int]) -> None:
    """Add the counts of *histogram* to *counts*."""
    # Most pairs are there many times: those of one value each, put one behind the other.
    for pair, times in Counter(struct.unpack(f"<{len(histogram) // PAIR_BYTES}I", histogram)).items():
        number = pair & 0xFFFF
        counts[number] = counts.get(number, 0) + (pair >> 16) * times


def pairs(histogram: bytes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the bins of *histogram*, of which one may be there several times, and the count of each."""
    numbers = struct.unpack(f"<{len(histogram) // 2}H", histogram)
    return numbers[::2], numbers[1::2]


def merged(histogram: bytes, added: bytes, removed: bytes) -> bytes:
    """Return *histogram* with the values of *added* and without those of *removed*, as short as it can be."""
    counts: Counter[int] = Counter()
    add(histogram + added, counts)
    minus: Counter[int] = Counter()
    add(removed, minus)
    counts.subtract(minus)
    return pack(counts)


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """Return the *share* quantile by nearest rank; None where there are no values.

    Args:
        counts: bin -> the number of values in it.
        share: 0.5 for the median.
    """
    numbers = sorted(counts)
    seen = [*accumulate(map(counts.__getitem__, numbers))]
    if not seen or seen[-1] < 1:
        return None
    return middle(numbers[bisect_left(seen, max(1, math.ceil(share * seen[-1] - 1e-9)))])
