"""Run the code of one page in the current folder, step after step, each in a process of its own.

The steps are forked from this process, which has imported what they need: a page takes one start of the interpreter.
Reads the steps as JSON from standard input, and writes their results as JSON to the file named by the first argument.
"""

import gc
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import learning_instrument.cli
import learning_instrument.configuration
import learning_instrument.maintenance

OUTPUT = Path(".output")


def run(steps, results):
    """Run *steps* up to the first whose process this is, and return that; None in the parent, after all of them."""
    gc.freeze()  # the processes share what was imported, and leave it alone when they end
    for step in steps:
        if step["kind"] == "file":
            path = Path(step["name"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step["text"], "utf-8")
            results.append({"status": 0, "output": ""})
        elif step["kind"] == "shell":
            done = subprocess.run(
                ["bash", "-c", step["text"]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=60,
            )
            results.append({"status": done.returncode, "output": done.stdout.decode()})
        else:
            sys.stdout.flush()
            process_id = os.fork()
            if not process_id:
                return step
            _, status = os.waitpid(process_id, 0)
            results.append({"status": os.waitstatus_to_exitcode(status), "output": OUTPUT.read_text("utf-8")})
    return None


def start(step):
    """Be the process of *step*."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
    os.dup2(1, 2)
    os.environ.update(step["variables"])
    sys.argv = step["arguments"]
    if step["kind"] == "script":
        sys.path[0] = os.getcwd()
        runpy.run_path(sys.argv[0], run_name="__main__")
    elif step["kind"] == "pytest":
        import pytest

        sys.exit(pytest.main())
    else:
        learning_instrument.cli.main()


if __name__ == "__main__":
    results = []
    step = run(json.load(sys.stdin), results)
    if step:
        start(step)
    else:
        Path(sys.argv[1]).write_text(json.dumps(results), "utf-8")
