"""What an installation has: a version, a command, its types; and what is packed for others."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import learning_instrument

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
