"""Reads charts as a browser does: marks with their places in the plot."""

import math
import re
import xml.etree.ElementTree as ET

_COMMAND = re.compile(r"([MLHVhvlz])([^MLHVhvlz]*)")


class Drawn:
    """A chart, parsed."""

    def __init__(self, markup):
        self.root = ET.fromstring(markup)
        self.texts = ["".join(text.itertext()) for text in self.root.iter("text")]

    def of(self, class_):
        """Return the marks of a class in the plots: for each path that begins anew, the points it goes through."""
        plots = [part for part in self.root.iter("svg") if part.get("viewBox")]
        paths = [path for plot in plots for path in plot.iter("path") if path.get("class") == class_]
        return [mark for path in paths for mark in points(path)]

    def check(self):
        """Assert that all marks are within their plot, and all text within the chart."""
        height = float(self.root.get("height"))
        assert self.root.get("role") == "img"
        assert self.root.get("aria-label")
        _check(self.root, height)


def points(path):
    """Yield the points of each part of a path."""
    found, x, y = [], 0.0, 0.0
    for command, numbers in _COMMAND.findall(path.get("d")):
        values = [float(value) for value in numbers.split()]
        assert all(map(math.isfinite, values))
        if command == "M" and found:
            yield found
            found = []
        x = values[0] if command in "MLH" else x + values[0] if command in "hl" else x
        y = values[-1] if command in "MLV" else y + values[-1] if command in "vl" else y
        found += [(x, y)] if command != "z" else []
    if found:
        yield found


def _check(parent, height):
    for part in parent:
        if part.tag == "svg" and part.get("viewBox"):
            assert float(part.get("y", 0)) + float(part.get("height")) <= height
            _, _, wide, high = map(float, part.get("viewBox").split())
            for path in part.iter("path"):
                for mark in points(path):
                    assert all(-1 <= x <= wide + 30 and -1 <= y <= high + 1 for x, y in mark), path.get("class")
        elif part.tag == "svg":
            _check(part, height - float(part.get("y", 0)))
        elif part.tag == "text":
            assert 0 < float(part.get("y")) <= height
            assert re.fullmatch(r"-?\d+(\.\d)?|\d+(\.\d)?%", part.get("x"))
        else:
            _check(part, height)
