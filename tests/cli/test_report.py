"""A report as Markdown: what a parser of Markdown makes of it, with any names that users chose."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from learning_instrument.cli.rendering import TableColumn
from learning_instrument.cli.report import Field, Report, Section, print_markdown, print_report

COLUMNS = (
    TableColumn("name", "name", is_text=True),
    TableColumn("verdict", "verdict", style=lambda verdict: "red" if verdict == "worse" else ""),
    TableColumn("cost", "cost", is_number=True),
)
ODD = [
    "a|b", "a\\|b", "`code`", "``", "<script>alert(1)</script>", "<!--", "-->", "&amp;", "*bold* _it_ ~~x~~", "[a](b)",
    "two\nlines", "@someone #12", "</code>", "$x$ and $y$", "\\", "| --- |", "# title", "- item", " padded ", "",
]  # fmt: skip


def one_line(text):
    return " ".join(text.split())


def html_of(text):
    """Return the HTML that a page shows."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


def report(name, rows=1, is_detail=False):
    row = {"name": name, "verdict": "worse", "cost": "$0.01"}
    section = Section(f"By {name}", [row] * rows, COLUMNS, is_detail)
    return Report(f"Worse: {name}", [Field("before", f"of {name}", name)], [section], [f"Prices: {name}."])


def shown(capsys, name, **options):
    print_markdown(report(name, **options))
    return html_of(capsys.readouterr().out)


def text_of(element):
    return html.unescape(re.sub("<[^>]*>", "", re.sub("<!--.*?-->", "", element)))


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("is_detail", [False, True])
def test_names_mean_nothing_but_themselves(capsys, name, is_detail):
    """In a cell, a field, a title, a note and the headline."""
    page = shown(capsys, name, is_detail=is_detail)

    said = one_line(name)
    (row,) = re.findall(r"<tr>(.*?)</tr>", page.partition("<tbody>")[2], re.S)
    cells = [text_of(cell) for cell in re.findall(r"<td.*?>(.*?)</td>", row, re.S)]
    assert cells == [said, "worse", "$0.01"]
    assert "<code>" in row
    assert "<strong>worse</strong>" in row
    (headline,) = re.findall(r"<h3>(.*?)</h3>", page, re.S)
    assert text_of(headline) == one_line(f"Worse: {name}")
    assert f"By {said}".strip() in text_of(page)
    items = [text_of(item) for item in re.findall(r"<li>(.*?)</li>", page, re.S)]
    assert items == [f"before: {said}, of {said}".strip(), one_line(f"Prices: {name}.")]
    assert set(re.findall(r"</?(\w+)", re.sub("<!--.*?-->", "", page))) <= {
        "h3", "ul", "li", "strong", "code", "p", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"
    }  # fmt: skip


@given(name=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zs", "Zl", "Zp"]), min_size=1))
def test_any_name_is_a_cell(name):
    """As any text may be the name of a task type."""
    from learning_instrument.cli.report import _table

    page = html_of("\n".join(_table(Section("", [{"name": name, "verdict": name}], COLUMNS[:2]))))

    assert [text_of(cell) for cell in re.findall(r"<td.*?>(.*?)</td>", page, re.S)] == [name, name]


def test_tables_are_aligned_and_details_are_folded(capsys):
    """A title that opens them says how many rows there are."""
    page = shown(capsys, "fix", is_detail=True)

    assert "<details><summary>By fix (1)</summary>" in page
    assert page.index("<summary>") < page.index("<table>") < page.index("</details>")
    assert '<th style="text-align:right">cost</th>' in page


def test_long_tables_are_cut(capsys):
    """A comment on a pull request has a longest length; what is missing is told."""
    page = shown(capsys, "x" * 500, rows=60)

    assert page.count("<tr>") == 51
    assert "and 10 more, which <code>--json</code> has." in page


def test_text_ends_with_the_headline(capsys):
    """Where the reader of a terminal is then."""
    print_report(report("fix"))

    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[2], lines[-2:]) == ("before  fix, of fix", "By fix", ["Prices: fix.", "Worse: fix"])
