"""What an installation has: a version, a command, its types; and what is packed for others."""

import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import learning_instrument

ROOT = Path(__file__).resolve().parent.parent
COMMAND = Path(sys.executable).with_name("learning-instrument")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_version_is_that_of_the_installed_package():
    """One number, wherever it is asked for."""
    assert learning_instrument.__version__ == version("learning_instrument")
    assert "__version__" in dir(learning_instrument)


@pytest.mark.parametrize("arguments", [["--version"], ["demo", "--help"]])
def test_module_is_the_command(arguments):
    """``python -m learning_instrument`` is ``learning-instrument``."""
    module = run(sys.executable, "-m", "learning_instrument", *arguments)
    command = run(COMMAND, *arguments)

    assert (module.returncode, module.stderr) == (command.returncode, command.stderr) == (0, "")
    assert module.stdout.replace("python -m learning_instrument", "learning-instrument") == command.stdout


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Build the wheel and the source distribution of this tree; return their folder."""
    folder = tmp_path_factory.mktemp("packed")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True, capture_output=True
    )
    return folder


def test_wheel_has_the_package_and_its_types(packed):
    """And nothing beside it."""
    (wheel,) = packed.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()

    assert "learning_instrument/py.typed" in names
    assert {f"learning_instrument/dashboard/pages/page.{suffix}" for suffix in ("css", "js")} <= {*names}
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"learning_instrument"}


def test_source_distribution_has_what_the_checks_need(packed):
    """The tests run and the documentation builds from it."""
    (archive,) = packed.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        names = {name.split("/")[1] for name in files.getnames()}

    assert {"learning_instrument", "docs", "examples", "tests", "noxfile.py", "pyproject.toml"} <= names
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE"} <= names
    assert names <= {path.name for path in ROOT.iterdir()} | {"PKG-INFO"}


def test_contributors_are_sent_to_files_that_exist():
    """Each path in CONTRIBUTING.md, but for what a build makes."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    paths = set(re.findall(r"`((?:learning_instrument|tests|docs|\.ci)/[\w./]*)`", text)) - {"docs/_build"}

    assert len(paths) > 20
    assert {path for path in paths if not (ROOT / path).exists()} == set()
