"""Virtual environments with the libraries of others, made once and kept in the user's cache."""

import fcntl
import json
import os
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path


def python_of(group: str, name: str, requirements: Sequence[str], alone: Sequence[str] = ()) -> Path:
    """Return the interpreter of an environment with *requirements*; make it where there is none yet.

    Args:
        group: the folder of the cache.
        name: the environment's.
        requirements: what is installed.
        alone: what is installed after that, without what it depends on.

    Raises:
        subprocess.CalledProcessError: if they cannot be installed.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(cache, f"learning-instrument-{group}", name)
    python = folder / "bin" / "python"
    complete = folder / "complete"
    wanted = json.dumps([requirements, alone])
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process of the tests may be making it
        if complete.exists() and complete.read_text() == wanted:
            return python
        venv.create(folder, clear=True, with_pip=True)
        _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv")
        # pip tries some hundred combinations, where uv takes seconds.
        install: list[str | Path] = [python, "-m", "uv", "pip", "install", "--quiet", "--python", python]
        _run(*install, *requirements)
        if alone:
            _run(*install, "--no-deps", *alone)
        complete.write_text(wanted)
    return python


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True)
