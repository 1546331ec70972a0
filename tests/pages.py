"""The pages of the documentation as sessions: what their code blocks are, run, and show.

A page's blocks run in order, in one empty folder:

* ``python`` is a program of its own; the ``text`` right below it is what it prints. One that defines tests runs under
  pytest. One whose first line names a file (``# agents.py``) is written to that file, for what comes after it.
* ``console`` has commands, each after ``$``, and what they print, where the page shows it.
* ``toml``, ``yaml``, ``ini`` and ``sql`` are files in the same way, and ``text`` alone is a drawing.

A comment such as ``<!-- not run: needs a broker -->`` above a block leaves it out; :func:`faults_of` reads it instead.
With ``<!-- figures vary -->``, the numbers of its output may differ from those that are shown.

``python tests/pages.py PAGE...`` writes what is printed today into the pages.
"""

import ast
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
from collector import Sink

from learning_instrument.cli import main

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts),
]
LANGUAGES = ("bash", "console", "ini", "python", "sql", "text", "toml", "yaml")
FENCE = re.compile(r"(?:<!-- (?:not run: ([^>]*)|(figures vary)) -->\n)?^```(\w+)\n(.*?)^```$", re.S | re.M)
FILE_NAME = re.compile(r"(?:#|--) ([\w./-]+\.\w+)\n")
#: Standing for the folder that a page runs in.
HOME = "/home/you"


@dataclass(frozen=True)
class Block:
    """One code block of a page."""

    language: str
    text: str
    line: int
    #: Where the text stands in the page.
    start: int
    #: Why it is not run, if it is not.
    not_run: str | None
    figures_vary: bool = False
    #: What it prints according to the page, and where that stands; None where the page does not show it.
    shown: str | None = None
    place: tuple[int, int] = (0, 0)

    @property
    def file_name(self) -> str | None:
        """The file that the block is the text of."""
        match = FILE_NAME.match(self.text) if self.language != "console" else None
        return match and match[1]

    @property
    def has_tests(self) -> bool:
        return "\ndef test_" in self.text or "\nasync def test_" in self.text


def blocks(page: str) -> list[Block]:
    """Return the code blocks of *page*; what a block prints goes with it."""
    found: list[Block] = []
    end = 0
    for fence in FENCE.finditer(page):
        reason, varies, language, text = fence.groups()
        if (
            language == "text"
            and found
            and found[-1].language == "python"
            and found[-1].shown is None
            and not page[end : fence.start()].strip()
        ):
            found[-1] = replace(found[-1], shown=text, place=fence.span(4))
        else:
            line = page.count("\n", 0, fence.start(3)) + 1
            found.append(Block(language, text, line, fence.start(4), reason, varies is not None))
        end = fence.end()
    return found


@dataclass(frozen=True)
class Step:
    """One thing that is run, and what the page shows of it."""

    run: dict[str, Any]
    block: Block
    shown: str | None
    #: Where in the page the output stands, or would.
    place: tuple[int, int]


def steps(page: str) -> Iterator[Step]:
    """Yield what there is to run on *page*."""
    for number, block in enumerate(blocks(page)):
        if block.not_run is not None or block.language == "bash":
            continue
        if block.language == "console":
            start = (
                page.index("\n", page.index("```console", sum(map(len, page.splitlines(True)[: block.line - 1])))) + 1
            )
            for command, shown, place in commands(block.text):
                yield Step(command_step(command), block, shown, (start + place[0], start + place[1]))
        elif block.file_name:
            yield Step({"kind": "file", "name": block.file_name, "text": block.text}, block, None, (0, 0))
        elif block.language == "python":
            name = f"{'test_' if block.has_tests else ''}block_{number}.py"
            yield Step({"kind": "file", "name": name, "text": block.text}, block, None, (0, 0))
            yield Step(python_step(name, block), block, block.shown or "", block.place)


def python_step(name: str, block: Block) -> dict[str, Any]:
    if block.has_tests:
        arguments = ["pytest", "-q", "-p", "no:cacheprovider", "-p", "learning_instrument.testing", name]
        return {"kind": "pytest", "arguments": arguments, "variables": {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}}
    return {"kind": "script", "arguments": [name], "variables": {}}


def commands(text: str) -> Iterator[tuple[str, str | None, tuple[int, int]]]:
    """Yield each command of a console block, what is shown of its output, and where that stands in the block."""
    matches = list(re.finditer(r"^\$ ((?:.*\\\n)*.*)\n", text, re.M))
    for match, following in zip(matches, [*matches[1:], None], strict=True):
        place = match.end(), following.start() if following else len(text)
        yield match[1].replace("\\\n", " "), text[slice(*place)] or None, place


def command_step(command: str) -> dict[str, Any]:
    """Return the step of a *command*; ours, and Python's, need no interpreter of their own."""
    plain = not re.search(r"[|&;<>$`*]", command)
    words = shlex.split(command) if plain else []
    variables = {}
    while words and (match := re.match(r"(\w+)=(.*)", words[0])):
        variables[match[1]] = match[2]
        words = words[1:]
    if not any(name.startswith("OTEL_") for name in variables):
        if words[:1] == ["learning-instrument"] and words[1:2] != ["run"]:
            return {"kind": "ours", "arguments": words, "variables": variables}
        if words[:1] == ["python"] and words[1].endswith(".py"):
            return {"kind": "script", "arguments": words[1:], "variables": variables}
    return {"kind": "shell", "text": command}


def outputs(page: str, folder: Path, **variables: str) -> list[tuple[Step, int, str]]:
    """Run *page* in *folder*, and return its steps, each with its status and what it printed."""
    todo = list(steps(page))
    ours = ("OTEL_", "LEARNING_INSTRUMENT_", "COVERAGE_", "PYTEST_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_PROXY": "127.0.0.1",
        "COLUMNS": "100",
        **variables,
    }
    report = folder / ".results"
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "session.py"), str(report)],
        input=json.dumps([step.run for step in todo]),
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=110,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    results = json.loads(report.read_text("utf-8"))
    return [
        (step, result["status"], result["output"].replace(os.path.realpath(folder), HOME).replace(str(folder), HOME))
        for step, result in zip(todo, results, strict=True)
    ]


#: What differs from one run to the next.
_VARYING = (
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?(\+00:00)?", "<time>"),
    (r"\d{4}-\d\d-\d\d", "<day>"),
    (r"\b[0-9a-f]{16}(?:[0-9a-f]{16})?\b", "<id>"),
    (r"\b(\d+ [hm] )?\d+(\.\d+)? (us|ms|s|m|h)\b", "<duration>"),
    (r"(?<=_seconds': )[\d.e-]+", "<seconds>"),
    (r"(?<= in )[\d.]+s\b", "<seconds>"),
    (r"[-─]{3,}", "---"),
    (r" +", " "),
    (r" $", ""),
)
_FIGURES = ((r"\d[\d,.]*", "<n>"), (r"[█▏▎▍▌▋▊▉]+", "<bar>"))


def without_what_varies(output: str, block: Block) -> str:
    """Mask times, ids and durations in *output*, and the widths of columns that depend on them."""
    for pattern, mask in _VARYING + _FIGURES * block.figures_vary:
        output = re.sub(pattern, mask, output, flags=re.M)
    return output


def faults_of(page: str) -> Iterator[str]:
    """Yield what is wrong with the blocks of *page* that are not run, as far as can be told by reading them."""
    with patch.dict(os.environ):
        for block in blocks(page):
            if block.not_run is not None and block.language == "python":
                for statement in ast.walk(ast.parse(block.text)):
                    yield from _unknown_names(statement)
            elif block.not_run is not None and block.language == "console":
                for command, _, _ in commands(block.text):
                    if command.startswith("export "):
                        os.environ.update(word.split("=", 1) for word in shlex.split(command) if "=" in word)
                    yield from _faults_of_command(command)


def _unknown_names(statement: ast.AST) -> Iterator[str]:
    """Yield what is imported from installed packages and is not there."""
    if isinstance(statement, ast.Import):
        names = [alias.name for alias in statement.names]
        modules = [name for name in names if find_spec(name.partition(".")[0])]
        yield from (f"no module {name}" for name in modules if not find_spec(name))
    elif isinstance(statement, ast.ImportFrom) and statement.module and find_spec(statement.module.partition(".")[0]):
        try:
            module = importlib.import_module(statement.module)
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith("learning_instrument"):
                yield str(error)
        else:
            names = [alias.name for alias in statement.names]
            yield from (f"no {name} in {statement.module}" for name in names if not hasattr(module, name))


def _faults_of_command(command: str) -> Iterator[str]:
    words = shlex.split(re.split(r" [<>|] ", command)[0], comments=True)
    while words and re.match(r"\w+=", words[0]):
        words = words[1:]
    if "learning-instrument" in words:
        arguments = words[words.index("learning-instrument") + 1 :]
        position = next((number for number, word in enumerate(arguments) if word in main.list_commands(None)), None)
        try:
            context = main.make_context("learning-instrument", arguments[:position], resilient_parsing=True)
            if position is not None:
                name, *rest = arguments[position:]
                main.get_command(context, name).make_context(name, rest, parent=context)
        except click.exceptions.Exit:
            pass  # --help
        except click.ClickException as error:
            yield f"{command}: {error.format_message()}"
    for word in words:
        if word.startswith("examples/") and not (ROOT / word).exists():
            yield f"{command}: there is no {word}"


def update(path: Path) -> None:
    """Write what is printed today into the page at *path*."""
    page = path.read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder, Sink() as sink:
        done = outputs(page, Path(folder), OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    for step, status, output in reversed(done):
        if status:
            print(f"{path}:{step.block.line}: exit status {status}\n{output}")
        elif without_what_varies(output, step.block) != without_what_varies(
            step.shown or "", step.block
        ) and step.place != (0, 0):
            page = page[: step.place[0]] + output + page[step.place[1] :]
        elif step.shown == "" and output:
            print(f"{path}:{step.block.line}: not shown:\n{output}")
    path.write_text(page, "utf-8")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        update(Path(argument).resolve())
