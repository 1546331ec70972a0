"""The environment of a new user: no variables of ours, and a virtual environment with a fresh installation."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_SET_FOR_US = ("OTEL_", "LEARNING_INSTRUMENT_", "COVERAGE_", "PYTHON")


def variables(**more: str) -> dict[str, str]:
    """Return the variables of a process, without those of ours, of OpenTelemetry's and of Python's, and with *more*."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_SET_FOR_US)}
    return {**inherited, "NO_PROXY": "127.0.0.1", **more}


def install(folder: Path, *packages: str, python: str | Path = sys.executable) -> Path:
    """Install this source tree and *packages* in a virtual environment in *folder*; return its folder of commands."""
    subprocess.run([python, "-m", "venv", folder], check=True)
    commands = folder / "bin"
    pip = [commands / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *packages, "--editable", ROOT], check=True)
    return commands
