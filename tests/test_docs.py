"""The code of README and docs runs as it stands and prints what the page shows; README's commands are what CI runs."""

import os
import re

import pytest
from pages import LANGUAGES, PAGES, ROOT, blocks, faults_of, outputs, without_what_varies

from learning_instrument.record import COLUMNS

README = (ROOT / "README.md").read_text("utf-8")
TEXTS = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in PAGES}
COMMANDS = [block.text for block in blocks(README) if block.language == "bash"]
LINK = re.compile(r"\]\(([^)\s]+)\)")

every_page = pytest.mark.parametrize("name", TEXTS)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a page's programs are forked from one process")
@pytest.mark.parametrize("name", [name for name, text in TEXTS.items() if "\n```" in text])
def test_code_prints_what_the_page_shows(name, tmp_path, sink):
    """Each block of a page, in order, in one folder: nothing fails, and nothing is printed that is not shown."""
    done = outputs(TEXTS[name], tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)

    for step, status, output in done:
        where = f"{name}:{step.block.line}"
        assert (status, output if status else "") == (0, ""), where
        if step.shown is not None:
            assert without_what_varies(output, step.block) == without_what_varies(step.shown, step.block), where
    assert bool(sink.requests) == any("OTLPSpanExporter" in step.block.text for step, _, _ in done)


@every_page
def test_code_that_is_not_run_is_valid(name):
    """Python parses and its imports exist; our commands take the options that are shown."""
    faults = [fault for block in blocks(TEXTS[name]) if block.not_run is not None for fault in faults_of(block)]

    assert faults == []


@every_page
def test_code_says_its_language(name):
    """So that a block is run, or is left out for a reason that the page has."""
    opened = re.findall(r"^```(\S*)", TEXTS[name], re.M)[::2]
    known = [language for language in opened if language in LANGUAGES]
    directives = [language for language in opened if re.fullmatch(r"\{[\w-]+\}", language)]

    assert len(known) == len(blocks(TEXTS[name])) + sum(
        block.shown is not None and block.language == "python" for block in blocks(TEXTS[name])
    )
    assert sorted(known + directives) == sorted(opened)


@every_page
def test_files_of_a_page_are_used_on_it(name):
    """A block that is the text of a file is imported, run or named by a later one."""
    page = blocks(TEXTS[name])
    for number, block in enumerate(page):
        if block.file_name:
            stem = block.file_name.rpartition("/")[2].partition(".")[0]
            assert any(re.search(rf"\b{stem}\b", later.text) for later in page[number + 1 :]), block.file_name


@every_page
def test_links_lead_somewhere(name):
    """Relative ones: to files of this repository, and to headings that their page has."""
    folder = (ROOT / name).parent
    for link in LINK.findall(re.sub(r"^```.*?^```$", "", TEXTS[name], flags=re.S | re.M)):
        if re.match(r"\w+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (folder / target).resolve() if target else ROOT / name
        assert path.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.M)
            assert anchor in [re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("name", [name for name in TEXTS if name.startswith(("docs/tutorial/", "docs/how-to/"))])
def test_guide_begins_with_what_its_reader_can_do_after_it(name):
    """Right below the title."""
    assert re.match(r"# .+\n\nAfter (this page|these pages)\b", TEXTS[name])


def test_columns_are_those_of_the_table():
    """In each table of a page whose first heading is ``column``."""
    tables = re.findall(r"^\| column \|.*\n\|[-| ]+\n((?:\|.*\n)+)", "\n".join(TEXTS.values()), re.M)
    cells = re.findall(r"^\| (`.*?) \|", "".join(tables), re.M)

    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} - set(COLUMNS) <= {"celery"}


def test_environment_variables_are_those_the_package_reads():
    """All that it reads are named, and no others."""
    source = "".join(path.read_text("utf-8") for path in (ROOT / "learning_instrument").rglob("*.py"))
    read = set(re.findall(r"environ\.get\(\"(LEARNING_INSTRUMENT_\w+)\"", source))
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
