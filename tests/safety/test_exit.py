"""Hooks for the end of the process: each runs."""

import atexit
import multiprocessing
import subprocess
import sys

import pytest

from learning_instrument.safety.exit import WRITERS, at_exit

PROGRAM = """
from learning_instrument.safety import exit as ending

class Writer:
    def end(self):
        print("written")

class Broken:
    def end(self):
        raise OSError("no more files")

kept = [Broken(), Writer(), Broken(), Writer()]
for each in kept:
    ending.at_exit(each, phase=ending.WRITERS)
ending.at_exit(last := Writer(), phase=ending.WATCHDOGS)
"""


def test_hook_that_fails_does_not_stop_the_others():
    """Its exception is raised after the others have run."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)

    assert done.stdout.split() == ["written"] * 3
    assert "no more files" in done.stderr


def test_thread_that_starts_again_registers_no_handler():
    """A thread may start without memory, where CPython's table of exit handlers breaks when it has to grow."""

    class Writer:
        def end(self):
            """There is nothing to write."""

    before = atexit._ncallbacks()
    at_exit(Writer(), phase=WRITERS)

    assert atexit._ncallbacks() == before


SENT = """
import multiprocessing
from learning_instrument.safety import exit as ending

class ExitHook:
    def __init__(self, word):
        self.word = word
        ending.at_exit(self, phase=ending.WRITERS)

    def __reduce__(self):
        return ExitHook, (self.word,)

    def end(self):
        print(multiprocessing.current_process().name, self.word, flush=True)

def work(sent):
    global made
    made = ExitHook("made")

if __name__ == "__main__":
    child = multiprocessing.get_context(METHOD).Process(target=work, args=(ExitHook("sent"),), name="child")
    child.start()
    child.join()
"""


@pytest.mark.parametrize("method", [each for each in multiprocessing.get_all_start_methods() if each != "fork"])
def test_child_runs_its_hooks_though_it_was_sent_one(tmp_path, method):
    """Multiprocessing drops finalizers that a child made while it read its arguments, such as a database."""
    script = tmp_path / "script.py"
    script.write_text(SENT.replace("METHOD", repr(method)))

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)

    assert (done.stderr, "child made" in done.stdout.splitlines()) == ("", True)
