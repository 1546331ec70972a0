"""The end of the process: everybody who has something to do gets to do it."""

import subprocess
import sys

PROGRAM = """
from learning_instrument import ending

class Writer:
    def end(self):
        print("written")

class Broken:
    def end(self):
        raise OSError("no more files")

kept = [Broken(), Writer(), Broken(), Writer()]
for each in kept:
    ending.tell_of_the_end(each, turn=0)
ending.tell_of_the_end(last := Writer(), turn=1)
"""


def test_one_that_fails_keeps_none_from_ending():
    """What it raised is shown, once the others are done."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)

    assert done.stdout.split() == ["written"] * 3
    assert "no more files" in done.stderr
