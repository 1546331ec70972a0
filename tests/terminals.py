"""The command at a terminal of its own, whose keys are pressed."""

import codecs
import contextlib
import os
import select
import struct
import subprocess
import time

from asking import COMMAND


class Terminal:
    """The command at a terminal of its own.

    Args:
        arguments: those of the command.
        size: the columns and lines of the terminal.
        variables: further variables of the environment; None: without it.
    """

    def __init__(self, *arguments, size=(80, 24), **variables):
        import fcntl
        import pty
        import termios

        columns, lines = size
        self.ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        #: The modes of the terminal before the command.
        self.before = self.modes
        environment = {**os.environ, "COLUMNS": str(columns), "LINES": str(lines), "NO_COLOR": "1", **variables}
        self.process = subprocess.Popen(
            [COMMAND, *arguments],
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            env={name: value for name, value in environment.items() if value is not None},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C reaches it
        )
        self.text = ""
        #: All that it has printed.
        self.printed = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    @property
    def modes(self):
        import termios

        return termios.tcgetattr(self.theirs)

    def read_until(self, text, key=""):
        """Wait until it has printed *text* after what was read before; return all up to there.

        A *key* is pressed now and then: CPython misses a signal that comes just before it waits in ``read()``.
        """
        end = time.monotonic() + 60
        press = time.monotonic()
        while text not in self.text:
            assert time.monotonic() < end, self.text
            if key and time.monotonic() >= press:
                self.say(key)
                press += 5
            if not self._read(1) and self.process.poll() is not None:
                break
        before, found, self.text = self.text.partition(text)
        assert found, before
        return before

    def read_all(self, *texts):
        """Wait until it has printed each of *texts*, in any order, after what was read before."""
        end = time.monotonic() + 60
        while not all(text in self.text for text in texts):
            assert time.monotonic() < end, self.text
            assert self._read(1) or self.process.poll() is None, self.text
        self.text = ""

    def _read(self, seconds):
        """Read what is there within so many seconds; tell whether there was anything."""
        if not select.select([self.ours], [], [], seconds)[0]:
            return False
        more = self._decoder.decode(os.read(self.ours, 65536))
        self.text += more
        self.printed += more
        return True

    def say(self, text):
        os.write(self.ours, text.encode())

    def end(self):
        """Wait until it has ended; return its exit code."""
        end = time.monotonic() + 60
        while self.process.poll() is None:
            assert time.monotonic() < end, self.text
            self._read(0.1)
        while self._read(0.1):
            pass
        self.after = self.modes
        with contextlib.suppress(OSError):
            os.close(self.theirs)
        os.close(self.ours)
        return self.process.returncode
