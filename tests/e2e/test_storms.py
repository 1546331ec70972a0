"""A storm of short processes that record into one new file loses nothing."""

import pytest
from storms import storm


@pytest.mark.slow
@pytest.mark.timeout(600)  # as long as a busy machine takes
@pytest.mark.parametrize(("kind", "durability"), [("plain", "commit"), ("fork", "batch"), ("spawn", "commit")])
def test_storm_of_short_processes_loses_nothing(tmp_path, kind, durability):
    """What they could not commit before their end, the next writer finds beside the file."""
    found = storm(kind, durability, 40, tmp_path)

    assert (found.lost, found.counted, found.failed) == (0, {}, 0)
