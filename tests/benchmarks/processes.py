"""Parts of the measurement in other processes."""

import json
import subprocess
from pathlib import Path
from typing import Any

#: Where the packages ``learning_instrument`` and ``tests`` are.
ROOT = Path(__file__).parents[2]


def run_module(python: str | Path, module: str, *arguments: str) -> Any:
    """Return what *module* prints as JSON on its last line."""
    ran = subprocess.run([python, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(ran.stdout.splitlines()[-1])
