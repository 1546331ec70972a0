"""Vectors of length 1 as 32-bit floats, and their cosines: by numpy where it is installed, else in Python."""

import importlib
import math
import operator
import struct
from collections.abc import Iterable, Sequence
from typing import Any, Final

#: Of a number, little-endian.
BYTES: Final = 4


def packed(vector: Iterable[float]) -> bytes:
    """Return the direction of *vector*; zeros for a vector of zeros.

    Raises:
        ValueError, TypeError, OverflowError: if it has no numbers, or others than finite ones.
    """
    numbers = [float(number) for number in vector]
    length = math.hypot(*numbers)
    if not numbers or not math.isfinite(length):
        raise ValueError("a vector has no numbers, or one that is not finite")
    return struct.pack(f"<{len(numbers)}f", *(number / (length or 1.0) for number in numbers))


def cosines(one: bytes, others: Sequence[bytes]) -> list[float]:
    """Return the cosine of each of *others* with *one*, all of them packed and of one length."""
    try:
        numpy: Any = importlib.import_module("numpy")
    except ImportError:
        return _cosines(one, others)
    numbers = numpy.frombuffer(b"".join(others), "<f4").reshape(len(others), -1)
    products: list[float] = (numbers @ numpy.frombuffer(one, "<f4")).tolist()
    return products


def _cosines(one: bytes, others: Sequence[bytes]) -> list[float]:
    vector = struct.Struct(f"<{len(one) // BYTES}f")
    asked = vector.unpack(one)
    # Python 3.12 has it.
    sumprod = getattr(math, "sumprod", lambda p, q: sum(map(operator.mul, p, q)))
    return [sumprod(asked, vector.unpack(other)) for other in others]
