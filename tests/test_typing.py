"""Types are part of the API."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow  # it takes a type checker, which .ci/run runs anyway
def test_decorated_functions_keep_their_types():
    """As mypy sees them, strictly; each use that must fail does."""
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.10", "tests/typing/api.py"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
