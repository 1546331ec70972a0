"""``pools``: the adapters that there are, and whose library is installed."""

import re
from importlib.metadata import version

import pytest
from asking import answer, document

from learning_instrument.instrumentation.adapters import EXECUTORS, MODULES, adapter_of

ADAPTER = """
from learning_instrument.adapters import Adapter

ADAPTER = Adapter(name={name!r}, rows=(), package={package!r}, records="runs of `{name}`")
"""


@pytest.fixture
def path(tmp_path, monkeypatch):
    """The path of a database, beside a package that declares adapters of libraries: two installed ones, and another."""
    metadata = tmp_path / "listed_pools-1.5.dist-info"
    for folder in ("listed_pools", "listed_sources", metadata.name):
        (tmp_path / folder).mkdir()
    entries = ["[learning_instrument_pools]"]
    for name in ("listed-pools", "listed-sources", "listed-nowhere"):
        package = name.replace("-", "_")
        (tmp_path / f"{package}_adapter.py").write_text(ADAPTER.format(name=name, package=package))
        entries.append(f"{name} = {package}_adapter")
    (tmp_path / "listed_pools" / "__init__.py").write_text("raise SystemExit")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: listed-pools\nVersion: 1.5\n")
    (metadata / "top_level.txt").write_text("listed_pools\n")
    (metadata / "entry_points.txt").write_text("\n".join(entries))
    monkeypatch.syspath_prepend(tmp_path)
    return str(tmp_path / "learning.db")


def test_each_adapter_is_listed_with_the_release_of_its_library(path):
    """Ours first; no library is imported, and null stands for one that is not installed."""
    found = document(path, "pools")

    assert [(each["name"], each["records"]) for each in found[:-3]] == [
        (name, adapter_of(name).records) for name in MODULES
    ]
    assert found[-3:] == [
        {"name": "listed-pools", "installed": "1.5", "records": "runs of `listed-pools`"},
        {"name": "listed-sources", "installed": "installed", "records": "runs of `listed-sources`"},
        {"name": "listed-nowhere", "installed": None, "records": "runs of `listed-nowhere`"},
    ]
    installed = {each["name"]: each["installed"] for each in found}
    assert installed["joblib"] == version("joblib")
    assert {installed[name] for name in EXECUTORS} == {"with Python"}


def test_text_shows_the_same(path):
    """A dash stands for a library that is not installed; quotes of code are left out."""
    lines = [re.sub(" +", " ", line) for line in answer(path, "pools").splitlines()]

    assert lines[0] == "name installed records"
    assert [line.partition(" ")[0] for line in lines[1:-3]] == list(MODULES)
    assert f"joblib {version('joblib')} items of Parallel, on any backend" in lines
    assert lines[-3:] == [
        "listed-pools 1.5 runs of listed-pools",
        "listed-sources installed runs of listed-sources",
        "listed-nowhere - runs of listed-nowhere",
    ]
