"""Metrics as text, in the format that Prometheus scrapes, under the names that OpenTelemetry's exporter gives them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Labels = tuple[tuple[str, str], ...]
"""The attributes of a series: key and value of each."""

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SUFFIX_OF_UNIT: Final = {"s": "_seconds"}
_SUFFIX_OF_TYPE: Final = {"counter": "_total"}
_ESCAPED: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


@dataclass(slots=True)
class Histogram:
    """How many values are in each bucket, and their sum."""

    bounds: Sequence[float]
    #: Of each bucket, and of what is above the last.
    counts: list[int]
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Family:
    """The series of one metric."""

    #: Name, unit and description, as in ``semconv``.
    metric: tuple[str, str, str]
    type: Literal["counter", "gauge", "histogram"]
    series: Mapping[Labels, float | Histogram]


def exposition(families: Iterable[Family]) -> bytes:
    """Return the document that has *families*."""
    lines = [line for family in families for line in _lines(family)]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _lines(family: Family) -> Iterator[str]:
    name, unit, description = family.metric
    name = _name(name) + _SUFFIX_OF_UNIT.get(unit, "") + _SUFFIX_OF_TYPE.get(family.type, "")
    yield f"# HELP {name} {description}"
    yield f"# TYPE {name} {family.type}"
    for labels, value in family.series.items():
        if not isinstance(value, Histogram):
            yield f"{name}{_labels(labels)} {float(value)!r}"
            continue
        below = 0
        for bound, count in zip((*map(str, map(float, value.bounds)), "+Inf"), value.counts, strict=True):
            below += count
            yield f"{name}_bucket{_labels((*labels, ('le', bound)))} {float(below)!r}"
        yield f"{name}_count{_labels(labels)} {float(below)!r}"
        yield f"{name}_sum{_labels(labels)} {float(value.total)!r}"


def _labels(labels: Labels) -> str:
    pairs = ",".join(f'{_name(key)}="{value.translate(_ESCAPED)}"' for key, value in labels)
    return f"{{{pairs}}}" if pairs else ""


def _name(key: str) -> str:
    return key.replace(".", "_")
