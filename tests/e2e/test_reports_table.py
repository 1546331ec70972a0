"""Each public report names tests that exist, and the page of the documentation has these reports."""

import ast
import re
from collections import Counter

import pytest
from reports import BROKEN, HELD, NOT_TRIED, REPORTS, ROOT, Outcomes, Report

PAGE = ROOT / "docs" / "explanation" / "reports.md"


def functions_of(path):
    return {node.name for node in ast.parse((ROOT / path).read_text("utf-8")).body if hasattr(node, "name")}


def test_tests_of_the_reports_exist():
    """Each is a function of the file that it is named with."""
    named = {tuple(test.split("::")) for report in REPORTS for test in report.tests}
    functions = {path: functions_of(path) for path, _ in named}

    assert [f"{path}::{name}" for path, name in named if name not in functions[path]] == []


def test_no_report_is_there_twice():
    """Neither a thread nor what was met in it."""
    assert max(Counter((report.repository, report.number) for report in REPORTS).values()) == 1
    assert max(Counter(report.met for report in REPORTS).values()) == 1


def test_table_of_the_documentation_has_these_reports():
    """In this order, in these words."""
    table = re.findall(r"^\| (\[.*) \|$", PAGE.read_text("utf-8"), re.M)

    assert [row.split(" | ")[:3] for row in table] == [report.cells for report in REPORTS]
    assert {row.split(" | ")[3] for row in table} == {HELD}


@pytest.mark.parametrize(
    ("first", "second", "held"),
    [
        (["passed", "skipped"], ["passed"], HELD),
        (["passed"], ["skipped"], NOT_TRIED),
        (["passed"], [], NOT_TRIED),
        (["failed", "passed"], ["skipped"], BROKEN),
    ],
)
def test_report_is_held_by_all_of_its_tests(first, second, held):
    """A parameter that is skipped says nothing; a test that did not run leaves it open."""
    outcomes = Outcomes()
    for name, found in (("first", first), ("second", second)):
        for number, outcome in enumerate(found):
            outcomes.pytest_runtest_logreport(
                pytest.TestReport(f"{name}[{number}]", ("", None, ""), {}, outcome, None, "call")
            )

    assert outcomes.held(Report("owner/name", 1, "something", ("first", "second"))) == held
