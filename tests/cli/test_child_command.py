"""A command that is run with JSON on its standard input."""

import os
import sys
import threading

import pytest
from child_programs import KEEPS, is_alive, python, python_name
from waiting import wait_until

from learning_instrument.cli.child_command import ChildCommand
from learning_instrument.errors import ConfigurationError

#: Starts a process that outlives it, and ignores the signal that asks to end.
HANGS = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(600)"])
open(sys.argv[1], "w").write(f"{child.pid}\\n")
time.sleep(600)
"""


def test_document_arrives_on_standard_input(tmp_path):
    """As it is, however long: more than a pipe holds."""
    document = b'{"a": "$(touch x) `id` \\u001b[31m"}' * 10_000

    assert ChildCommand(python(tmp_path, KEEPS, tmp_path / "kept")).tell(document) is None
    assert (tmp_path / "kept").read_bytes() == document


def test_no_shell_is_involved(tmp_path):
    """What a shell would take for its own is an argument."""
    command = python(tmp_path, "import sys; open(sys.argv[1], 'w').write(repr(sys.argv[2:]))", tmp_path / "seen")
    command += " '$(touch x)' '*' ';' '>' \"two words\""

    assert ChildCommand(command).tell(b"") is None
    assert (tmp_path / "seen").read_text() == repr(["$(touch x)", "*", ";", ">", "two words"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Invalid --exec '': expected a program"),
        ("'' x", "expected a program"),
        ("notify 'x", "no closing quotation"),
        ("no-such-program-here --x", "Command 'no-such-program-here' not found"),
        ("./missing", "Command './missing' not found"),
        ("/", "Command '/' not found"),
    ],
)
def test_what_is_no_command_is_refused(text, message):
    """At once."""
    with pytest.raises(ConfigurationError, match=f"^.*{message}"):
        ChildCommand(text)


def test_file_that_is_not_executable_is_refused(tmp_path):
    """With the remedy."""
    script = tmp_path / "script.py"
    script.write_text("")

    with pytest.raises(ConfigurationError, match="is not executable: make it so"):
        ChildCommand(str(script))


def test_failure_is_told_without_the_arguments(tmp_path):
    """These may hold secrets."""
    failing = ChildCommand(f"{sys.executable} -c 'raise SystemExit(3)' --token=secret")
    killed = ChildCommand(f"{sys.executable} -c 'import os; os.kill(os.getpid(), 9)' --token=secret")

    assert failing.tell(b"") == f"{python_name()} failed: exit code 3."
    assert killed.tell(b"") == f"{python_name()} failed: ended by signal 9."


def test_program_that_the_system_refuses_is_a_failure(tmp_path):
    """One that is executable, and no program."""
    script = tmp_path / "blank"
    script.write_bytes(b"\x7fELF")
    script.chmod(0o700)

    assert ChildCommand(str(script)).tell(b"") == "blank cannot be started: Exec format error."


def test_command_that_reads_nothing_succeeds(tmp_path):
    """A pipe that it closed is no failure."""
    assert ChildCommand(python(tmp_path, "")).tell(b"x" * 1_000_000) is None


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc"), reason="asks /proc for a process")
def test_command_that_hangs_is_ended_with_what_it_started(tmp_path):
    """Though neither listens."""
    command = ChildCommand(python(tmp_path, HANGS, tmp_path / "child"), limit_seconds=0.5)

    assert command.tell(b"").endswith("was ended after 500 ms.")
    wait_until(lambda: not is_alive(int((tmp_path / "child").read_text())))


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="asks /proc for a process")
def test_end_ends_the_running_command_and_starts_no_other(tmp_path):
    """Which is no failure worth a line."""
    command, told = ChildCommand(python(tmp_path, HANGS.replace("SIG_IGN", "SIG_DFL"), tmp_path / "child")), []
    thread = threading.Thread(target=lambda: told.append(command.tell(b"")))
    thread.start()
    wait_until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text())

    command.end()
    thread.join(30)

    assert told == [None]
    wait_until(lambda: not is_alive(int((tmp_path / "child").read_text())))
    (tmp_path / "child").unlink()
    assert command.tell(b"") is None
    assert not (tmp_path / "child").exists()
