"""Parts of the measurement in other processes, and in other environments."""

import json
import subprocess
from pathlib import Path
from typing import Any

from ..environments import python_of
from .peers import Peer

#: Where the packages ``learning_instrument`` and ``tests`` are.
ROOT = Path(__file__).parents[2]


def run_module(python: str | Path, module: str, *arguments: str) -> Any:
    """Return what *module* prints as JSON on its last line."""
    ran = subprocess.run([python, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(ran.stdout.splitlines()[-1])


def environment_for(peer: Peer) -> Path:
    """Return the interpreter of an environment that has *peer*."""
    requirements = ["opentelemetry-sdk>=1.40", *peer.requirements]
    return python_of("benchmarks", peer.name.lower(), requirements, peer.requirements_alone)
