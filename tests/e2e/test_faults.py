"""An execution that returned is kept, or counted as lost, in each fault of the file."""

import re
from pathlib import Path

import pytest
from faults import DURABILITIES, FAULTS, place, try_fault

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "lossless.md"
HEADING = "## Faults of the file and its surroundings"


@pytest.mark.slow
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_no_execution_is_lost_uncounted(fault, durability):
    """Around a real process, which goes on or ends, and one that comes after it."""
    with place(fault) as folder:
        if folder is None:
            pytest.skip("a disk cannot be mounted here")
        assert try_fault(fault, durability, folder).neither == 0


def test_table_of_the_documentation_has_these_faults():
    """In this order, and none of its executions is neither kept nor counted."""
    _, _, below = PAGE.read_text("utf-8").partition(HEADING)
    table = re.search(r"^\|.*?\n(?!\|)", below, re.M | re.S)
    assert table, f"{PAGE} has no table below {HEADING}; python -m tests.e2e.faults prints it"
    rows = [[cell.strip() for cell in row.strip("| ").split("|")] for row in table[0].splitlines()[2:]]

    assert [row[:2] for row in rows] == [
        [fault.name, f"`{durability}`"] for fault in FAULTS for durability in DURABILITIES
    ]
    assert {row[-1] for row in rows} == {"0"}
