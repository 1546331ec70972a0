"""A fleet answers as a file does that has the same executions, whatever is asked."""

from datetime import datetime, timezone

import pytest
from collector import why_rotel_cannot_run

from learning_instrument.fleet.database import FleetDatabase
from learning_instrument.sqlite.read_only import ReadOnlyDatabase

freezegun = pytest.importorskip("freezegun")  # not where the fast tests run: these are all slow

from . import both, equality  # noqa: E402

END = datetime(2026, 11, 28, tzinfo=timezone.utc)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("through", ["map", "json", "rotel"])
def test_every_answer_of_every_command_is_that_of_a_file(tmp_path, engine_folder, through):
    """Every request comes twice, and calls of models end late; quantiles may differ by their error."""
    if through == "rotel" and (reason := why_rotel_cannot_run()):
        pytest.skip(reason)
    made = both.make(tmp_path, engine_folder, 1000, END, through=through, days=4)

    with freezegun.freeze_time(END), ReadOnlyDatabase(made.file) as file, FleetDatabase(made.address) as fleet:
        compared = [*equality.compare(made.file, made.address, (file, fleet), END)]

    assert made.executions > 800
    assert [equality.row(each) for each in compared if each.difference] == []
