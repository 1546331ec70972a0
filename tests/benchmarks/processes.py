"""Parts of the measurement in other processes, and in other environments."""

import json
import os
import subprocess
import venv
from pathlib import Path
from typing import Any

from .peers import Peer

#: Where the packages ``learning_instrument`` and ``tests`` are.
ROOT = Path(__file__).parents[2]


def run_module(python: str | Path, module: str, *arguments: str) -> Any:
    """Return what *module* prints as JSON on its last line."""
    ran = subprocess.run([python, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(ran.stdout.splitlines()[-1])


def environment_for(peer: Peer) -> Path:
    """Return the interpreter of a virtual environment that has *peer*; make it where there is none yet."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(cache, "learning-instrument-benchmarks", peer.name.lower())
    python = folder / "bin" / "python"
    complete = folder / "complete"
    wanted = json.dumps([peer.requirements, peer.requirements_alone])
    if complete.exists() and complete.read_text() == wanted:
        return python
    venv.create(folder, clear=True, with_pip=True)
    pip: list[str] = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "opentelemetry-sdk>=1.40", *peer.requirements], check=True)
    if peer.requirements_alone:
        subprocess.run([*pip, "--no-deps", *peer.requirements_alone], check=True)
    complete.write_text(wanted)
    return python
