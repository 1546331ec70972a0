"""The README's code runs as it stands and prints what the README says; its commands are what ``.ci/run`` runs."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


class Fence(NamedTuple):
    """A code block: its language, its text, the heading above it, and the output shown right below it."""

    language: str
    text: str
    heading: str
    shown: str | None


def fences():
    found = list(re.finditer(r"^```(\w*)\n(.*?)^```$", README, re.S | re.M))
    for fence, following in zip(found, [*found[1:], None], strict=True):
        heading = re.findall(r"^#+ (.+)$", README[: fence.start()], re.M)[-1]
        is_output = (
            following is not None and following[1] == "text" and not README[fence.end() : following.start()].strip()
        )
        yield Fence(fence[1], fence[2], heading, following[2] if is_output else None)


PYTHON = [fence for fence in fences() if fence.language == "python"]
COMMANDS = [fence.text for fence in fences() if fence.language == "bash"]


def without_what_varies(output):
    """Mask durations; nothing else that the README prints may vary."""
    return re.sub(r"('duration_seconds': |passed in )[\d.e-]+", r"\1...", output)


@pytest.mark.parametrize("fence", PYTHON, ids=[f"{i}-{fence.heading.lower()}" for i, fence in enumerate(PYTHON)])
def test_code_prints_what_is_shown_below_it(fence, tmp_path, sink):
    ours = ("OTEL_", "LEARNING_INSTRUMENT_", "COVERAGE_", "PYTEST_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "utf-8",
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "NO_PROXY": "127.0.0.1",
    }
    script = tmp_path / "script.py"
    script.write_text(fence.text, "utf-8")
    runner = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"] if "\ndef test_" in fence.text else []
    finished = subprocess.run(
        [sys.executable, *runner, str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert without_what_varies(finished.stdout) == without_what_varies(fence.shown or "")
    assert bool(sink.requests) == ("OTLPSpanExporter" in fence.text)


def test_first_code_is_ten_lines():
    assert len([line for line in PYTHON[0].text.splitlines() if line]) == 10


def test_all_code_shows_what_it_prints():
    assert [fence.heading for fence in PYTHON if fence.shown is None] == []


def test_there_are_two_commands_of_one_line():
    assert [command.count("\n") for command in COMMANDS] == [1, 1]
    assert [line for line in README.splitlines() if line.startswith("python3 -m venv ")] == [
        command.rstrip("\n") for command in COMMANDS
    ]


def test_first_command_runs_the_quickstart():
    assert "pip install" in COMMANDS[0]
    assert COMMANDS[0].rstrip().endswith("/python examples/quickstart.py")


def test_second_command_runs_the_tests():
    assert '".[test]"' in COMMANDS[1]
    assert "-m pytest" in COMMANDS[1]


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_names_of_columns_are_those_of_the_table():
    from learning_instrument.record import COLUMNS

    tables = README[README.index("## The fields") : README.index("## How it ended")]
    named = {name for row in re.findall(r"^\| (`.*?) \|", tables, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert named - set(COLUMNS) == set()


def test_environment_variables_are_those_the_package_reads():
    source = "".join(path.read_text("utf-8") for path in (ROOT / "learning_instrument").rglob("*.py"))
    read = set(re.findall(r"environ\.get\(\"(LEARNING_INSTRUMENT_\w+)\"", source))
    assert read == set(re.findall(r"(?<!_)LEARNING_INSTRUMENT_\w+", README))  # with _ before it, it is click's
