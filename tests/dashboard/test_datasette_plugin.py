"""The page within a real Datasette: the one that is installed, the oldest that is supported, and the newest alpha.

``datasette_checks.py`` has the checks.
"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from environments import python_of

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = Path(__file__).with_name("datasette_checks.py")
CHECKS = re.findall(r"^async def (\w+)\(folder\):", PROGRAM.read_text("utf-8"), re.M)
RELEASES = {"0.65": "datasette>=0.65,<1.0a0", "1.0": "datasette>=1.0a1"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", params=["installed", *RELEASES])
def python(request):
    """An interpreter that has Datasette, and this package as it is installed: by its entry point."""
    if request.param == "installed":
        if importlib.util.find_spec("datasette") is None:
            pytest.skip("Datasette is not installed")
        return sys.executable
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        return python_of("datasette", f"{request.param}-{version}", [RELEASES[request.param], "-e", str(ROOT)])
    except subprocess.CalledProcessError as error:
        pytest.skip(f"Datasette {request.param} cannot be installed: {error.stderr[-500:]}")


@pytest.mark.parametrize("check", CHECKS)
def test_page_within_datasette(python, check, tmp_path):
    """Each says in its docstring what it holds."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    finished = subprocess.run(
        [python, PROGRAM, check, tmp_path], capture_output=True, text=True, timeout=300, cwd=tmp_path, env=variables
    )
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
