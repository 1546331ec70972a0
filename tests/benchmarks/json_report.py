"""The figures as JSON."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from . import machine
from .timing import Timings


def write(
    path: Path, rounds: int, parts: Mapping[str, Any], busy: Mapping[str, machine.Busyness], targets: Any
) -> None:
    """Write what was measured, on what, and how busy it was meanwhile."""
    document = {
        "machine": machine.description(),
        "versions": machine.versions(),
        "rounds": rounds,
        "busy": busy,
        "targets": targets,
        "parts": parts,
    }
    path.write_text(json.dumps(_plain(document), indent=1) + "\n", "utf-8")


def _plain(value: Any) -> Any:
    """Return *value* made of dicts and lists."""
    if isinstance(value, Timings):
        return _plain({"nanoseconds": value.typical(), "times": value.spreads(), "rounds": value.relative()})
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else repr(key): _plain(item) for key, item in value.items()}
    if isinstance(value, str | int | float | None):
        return value
    return [_plain(item) for item in value]
