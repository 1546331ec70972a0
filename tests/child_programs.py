"""Programs of a test's own, as commands that are run for an event."""

import os
import shlex
import sys

#: Appends its standard input to a file.
KEEPS = "import sys; open(sys.argv[1], 'ab').write(sys.stdin.buffer.read())"


def python(folder, program, *arguments):
    """Return the command line of a Python *program*, whose path has a space."""
    script = folder / "a program.py"
    script.write_text(program)
    return shlex.join([sys.executable, str(script), *map(str, arguments)])


def is_alive(process_id):
    """Tell whether a process runs: one that nothing has waited for does not."""
    try:
        with open(f"/proc/{process_id}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def python_name():
    """Return what messages call such a command."""
    return os.path.basename(sys.executable)
