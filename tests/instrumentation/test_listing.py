"""The adapters that ``learning-instrument pools`` lists."""

from learning_instrument.instrumentation.adapters import MODULES
from learning_instrument.instrumentation.listing import listed_adapters


def test_an_invalid_adapter_of_a_package_is_listed_as_such(tmp_path, monkeypatch):
    """And so are all others."""
    metadata = tmp_path / "some_pools-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: some_pools\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[learning_instrument_pools]\nwrong = not_there_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)

    *ours, wrong = listed_adapters()

    assert [adapter.name for adapter in ours] == list(MODULES)
    assert (wrong.name, wrong.installed) == ("wrong", None)
    assert wrong.records.startswith("Invalid adapter 'not_there_at_all': its import failed")
