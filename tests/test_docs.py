"""The code of README and docs runs as it stands and prints what the page shows; README's commands are what CI runs."""

import os
import re
from pathlib import Path

import pytest
from pages import LANGUAGES, PAGES, ROOT, blocks, faults_of, outputs, steps, without_what_varies

from learning_instrument.columns import COLUMNS
from learning_instrument.instrumentation.targets import ENTRY_POINT_GROUP

README = (ROOT / "README.md").read_text("utf-8")
TEXTS = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in PAGES}
COMMANDS = [block.text for block in blocks(README) if block.language == "bash"]
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a page's programs are forked from one process")
@pytest.mark.parametrize("name", [name for name, text in TEXTS.items() if any(steps(text))])
def test_code_prints_what_the_page_shows(name, tmp_path, sink):
    """Each block of a page, in order, in one folder: nothing fails, and nothing is printed that is not shown."""
    done = outputs(TEXTS[name], tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)

    for step, status, output in done:
        where = f"{name}:{step.block.line}"
        assert (status, output if status else "") == (0, ""), where
        if step.shown is not None:
            assert without_what_varies(output, step.block) == without_what_varies(step.shown, step.block), where
    assert bool(sink.requests) == any("OTLPSpanExporter" in step.block.text for step, _, _ in done)


def test_code_that_is_not_run_is_valid():
    """Python parses and its imports exist; our commands take the options that are shown."""
    assert {name: faults for name in TEXTS if (faults := list(faults_of(TEXTS[name])))} == {}


def test_every_block_is_run_or_says_why_not():
    """Nothing stands in a language that this file does not know, and none is left out by an odd fence."""
    for name, text in TEXTS.items():
        opened = re.findall(r"^```(\S*)", text, re.M)[::2]
        code = [language for language in opened if not re.fullmatch(r"\{[\w-]+\}", language)]
        known = blocks(text)
        shown = sum(block.language == "python" and block.shown is not None for block in known)

        assert [language for language in code if language not in LANGUAGES] == [], name
        assert len(code) == len(known) + shown, name


def test_files_of_a_page_are_used_on_it():
    """A block that is the text of a file is imported, run or named by a later one."""
    for name, text in TEXTS.items():
        page = blocks(text)
        for number, block in enumerate(page):
            if block.file_name:
                stem = Path(block.file_name).stem
                assert any(re.search(rf"\b{stem}\b", later.text) for later in page[number + 1 :]), (name, stem)


def test_configurations_parse():
    """TOML is read, and entry points are of the group that is looked for."""
    toml = pytest.importorskip("tomllib")
    tables = [toml.loads(block.text) for text in TEXTS.values() for block in blocks(text) if block.language == "toml"]

    groups = {group for table in tables for group in table.get("project", {}).get("entry-points", {})}
    assert groups == {ENTRY_POINT_GROUP}


def test_links_lead_somewhere():
    """Relative ones: to files of this repository, and to headings that their page has."""
    for name, text in TEXTS.items():
        for link in LINK.findall(re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)):
            if re.match(r"\w+:", link):
                continue
            target, _, anchor = link.partition("#")
            path = (ROOT / name).parent / target if target else ROOT / name
            assert path.exists(), (name, link)
            assert not anchor or anchor in anchors(path.read_text("utf-8")), (name, link)


def anchors(page):
    """Return the names that the headings of *page* are linked by."""
    headings = re.findall(r"^#+ (.+)$", page, re.M)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_guides_begin_with_what_their_reader_can_do_after_them():
    """Right below the title."""
    guides = {name: text for name, text in TEXTS.items() if name.startswith(("docs/tutorial/", "docs/how-to/"))}
    assert [n for n, text in guides.items() if not re.match(r"# .+\n\nAfter (this page|these pages)\b", text)] == []


def test_columns_are_those_of_the_table():
    """In each table of a page whose first heading is ``column``."""
    tables = re.findall(r"^\| column \|.*\n\|[-| ]+\n((?:\|.*\n)+)", "\n".join(TEXTS.values()), re.M)
    cells = re.findall(r"^\| (`.*?) \|", "".join(tables), re.M)

    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} <= set(COLUMNS)


def test_environment_variables_are_those_the_package_reads():
    """All that it reads are named, and no others."""
    source = "".join(path.read_text("utf-8") for path in (ROOT / "learning_instrument").rglob("*.py"))
    read = set(re.findall(r"\"(LEARNING_INSTRUMENT_\w+)\"", source))
    named = set(re.findall(r"(?<!_)LEARNING_INSTRUMENT_\w+", "".join(TEXTS.values())))  # with _ before it, click's

    assert read == named


def test_first_code_of_the_readme_is_ten_lines():
    """It runs as it stands."""
    first = next(block for block in blocks(README) if block.language == "python")
    assert len([line for line in first.text.splitlines() if line]) == 10


def test_readme_has_two_commands_of_one_line():
    """Which CI finds by their first words."""
    assert [command.count("\n") for command in COMMANDS] == [1, 1]
    assert [line for line in README.splitlines() if line.startswith("python3 -m venv ")] == [
        command.rstrip("\n") for command in COMMANDS
    ]


def test_first_command_runs_the_quickstart():
    """In a virtual environment of its own."""
    assert "pip install" in COMMANDS[0]
    assert COMMANDS[0].rstrip().endswith("/python examples/quickstart.py")


def test_second_command_runs_the_tests():
    """As CI does."""
    assert '".[test]"' in COMMANDS[1]
    assert "-m pytest" in COMMANDS[1]


def test_readme_fits_on_four_screens():
    """What is longer belongs into a page of its own."""
    assert len(README.splitlines()) <= 160
