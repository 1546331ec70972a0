"""However a process ends, what had returned is kept; the table in the documentation says what that means."""

import re
from pathlib import Path

import pytest
from ends import DURABILITIES, WAYS, ending, faults_of

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "lossless.md"
HEADING = "## How a process ends"


#: By another start method than others, or another server.
SLOW = [way for way in WAYS if re.search("forkserver|spawn|uWSGI", way.name)]


@pytest.mark.timeout(600)  # some programs run at a time; on a busy machine they take their time
@pytest.mark.parametrize(
    "ways",
    [
        pytest.param([way for way in WAYS if way not in SLOW], id="each"),
        pytest.param(SLOW, id="by another method", marks=pytest.mark.slow),
    ],
)
def test_what_returned_is_kept(tmp_path, ways, subtests):
    """In ``commit`` all of it; in ``batch`` all but the last 100 ms, and that only where no code could run."""
    every = [(way, durability) for way in ways for durability in DURABILITIES]
    with ending(every, tmp_path) as programs:
        for way, durability in every:
            with subtests.test(f"{way.program}, {durability}"):
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
