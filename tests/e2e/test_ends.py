"""However a process ends, what had returned is kept; the table in the documentation says what that means."""

import re
from pathlib import Path

import pytest
from ends import DURABILITIES, WAYS, ending, faults_of

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "lossless.md"
HEADING = "## How a process ends"


@pytest.fixture(scope="module")
def programs(request, tmp_path_factory):
    """Run the programs of all tests that were asked for, some at a time."""
    asked_for = [
        item.callspec.params for item in request.session.items if item.originalname == "test_what_returned_is_kept"
    ]
    with ending(
        [(params["way"], params["durability"]) for params in asked_for], tmp_path_factory.mktemp("ends")
    ) as programs:
        yield programs


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.program)
def test_what_returned_is_kept(programs, way, durability):
    """In ``commit`` all of it; in ``batch`` all but the last 100 ms, and that only where no code could run."""
    ended = programs[way.name, durability].result()

    assert faults_of(way, durability, ended) == [], ended.errors


def test_table_of_the_documentation_is_what_is_tested():
    """Its rows are the ways that are tested here, and its cells begin with what is asserted."""
    _, _, below = PAGE.read_text("utf-8").partition(HEADING)
    table = re.search(r"^\|.*?\n(?!\|)", below, re.M | re.S)
    assert table, f"{PAGE} has no table below {HEADING}; python -m tests.e2e.ends prints it"

    rows = [
        [cell.strip().partition(":")[0] for cell in row.strip("| ").split("|")] for row in table[0].splitlines()[2:]
    ]

    assert rows == [[way.name, *(way.keeps(durability) for durability in DURABILITIES)] for way in WAYS]
