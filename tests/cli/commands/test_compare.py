"""``learning-instrument compare``: regressions and exit codes."""

import re
from datetime import timedelta

import pytest
from asking import NOON, answer, ask, document, record, rows, store
from markdown_it import MarkdownIt

from learning_instrument import formatting
from learning_instrument.analytics import Selection, compare, side, side_by_side
from learning_instrument.cli.rendering import plain
from learning_instrument.maintenance import write_demo
from learning_instrument.outcome import Outcome
from learning_instrument.sqlite.read_only import ReadOnlyDatabase

WEEKS = ("--before", "..2026-11-13T12:00", "--after", "2026-11-13T12:00..")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The path of a synthetic database."""
    path = str(tmp_path_factory.mktemp("compare") / "demo.db")
    write_demo(path, 800, now=NOON)
    return path


@pytest.fixture
def path(tmp_path):
    """The path of a database for records of a test's own."""
    return str(tmp_path / "learning.db")


def versions(path, before, after, count=200):
    """Store so many executions of two versions, the share of failures in percent before and after."""
    store(
        path,
        *[
            record(
                metadata={"task": {"version": version}},
                outcome=Outcome.FAILED if number % 100 < share else Outcome.SUCCEEDED,
            )
            for version, share in (("1.3", before), ("1.4", after))
            for number in range(count)
        ],
    )


VERSIONS = ("compare", "--before", "version=1.3", "--after", "version=1.4")


@pytest.mark.parametrize(("source", "is_cheaper"), [("priced", True), ("partial", False)])
def test_lower_bound_is_no_saving(path, source, is_cheaper):
    """A cost known in part is left out, and this is said."""
    sides = (("1.3", 1.0, "priced"), ("1.4", 0.1, source))
    store(
        path,
        *[
            record(metadata={"task": {"version": version}}, actual_cost=cost + number / 1e6, cost_source=known)
            for version, cost, known in sides
            for number in range(200)
        ],
    )

    text = answer(path, *VERSIONS)

    assert (document(path, *VERSIONS)["cost"]["verdict"] == "better") == is_cheaper
    assert document(path, *VERSIONS)["after_partial"] == (0 if is_cheaper else 200)
    assert (
        "Compared are the costs of 200 of 200 executions before and of 0 of 200 after; those of the others are unknown,"
        " known in part (0 before, 200 after), or 0.\n" in text
    ) != is_cheaper


def test_regression_exits_with_1(path):
    """In every form of the answer."""
    versions(path, 5, 30)

    text = answer(path, *VERSIONS, status=1)

    assert text.endswith("\nRegression: success -25.0 points.\n")
    (line,) = [line for line in text.splitlines() if line.startswith("success")]
    assert line.split()[:6] == ["success", "worse", "95.0%", "70.0%", "-25.0", "points"]
    found = document(path, *VERSIONS, status=1)
    assert (found["regression"], found["verdict"], found["exit_code"]) == (True, "regression", 1)
    assert found["reason"] == "Regression: success -25.0 points."
    found = rows(path, *VERSIONS, status=1)
    assert [(row["task_type"], row["metric"], row["verdict"]) for row in found][:1] == [("", "success", "worse")]
    assert ("fix", "success", "worse") in [(row["task_type"], row["metric"], row["verdict"]) for row in found]


def test_what_is_no_regression_exits_with_0(path):
    """An improvement, no change, and a change too small to matter."""
    versions(path, 30, 5)
    assert "success   better" in answer(path, *VERSIONS)
    worse = ("compare", "--before", "version=1.4", "--after", "version=1.3")
    assert "success   worse" in answer(path, *worse, status=1)
    assert "success   negligible" in answer(path, *worse, "--gate-success", "30")


def test_name_that_no_task_has_is_refused_on_both_sides(path):
    """A mistyped one is taken for a key of metadata."""
    versions(path, 30, 5)

    result = ask(path, "compare", "--before", "modle=a", "--after", "modle=b")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "Error: Invalid --before modle=a. No execution has 'modle' in its task's metadata. Did you mean model?"
        " The keys of metadata: version.\n"
    )


@pytest.mark.parametrize("side", ["metadata.version=9", "version=9", "7d..,version=9", "model=a,b"])
def test_side_that_nothing_has_is_named_as_it_was_written(path, side):
    """Not as it was understood."""
    versions(path, 3, 2)

    said = ask(path, "compare", "--before", side, "--after", "version=1.4").stderr

    assert said.startswith(f"Error: Invalid --before {side}. No")


@pytest.mark.parametrize("output", [(), ("--json",), ("--csv",)])
def test_version_that_nothing_has_is_refused(path, output):
    """A gate with a mistyped one would be passed for ever."""
    versions(path, 30, 5)

    result = ask(path, "compare", "--before", "version=1.4", "--after", "verison=1.5", *output)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "Error: Invalid --after verison=1.5. No execution has 'verison' in its task's metadata. Did you mean"
        " metadata.version? The keys of metadata: version.\n"
    )


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("version=1.5", "No execution has metadata.version=1.5. Did you mean 1.4? The values: 1.3 (200), 1.4 (200)."),
        ("model_tier=unknwn", "No execution has model_tier=unknwn. Did you mean unknown? The values: unknown (400)."),
        ("..2000-01-01,version=1.3", "No execution is in all of ..2000-01-01 00:00:00+00:00, metadata.version=1.3."),
    ],
)
def test_side_that_nothing_is_in_names_the_values(path, wrong, reason):
    """Those that there are, and the nearest; or all that does not hold together."""
    versions(path, 30, 5)

    for before, after in [(wrong, "version=1.3,2001-01-01.."), ("version=1.3,2001-01-01..", wrong)]:
        result = ask(path, "compare", "--before", before, "--after", after)

        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.endswith(f"{reason}\n")


def test_tiers_are_compared_over_task_types(demo):
    """What a table is by, and what it is not by, is said; there is data enough for a verdict."""
    text = answer(demo, "compare", "--before", "model_tier=small", "--after", "model_tier=large", status=1)

    assert ", across tiers, in which they differ\n" in text
    assert "95.9% of them: the task types and bands of complexity that both sides have" in text
    assert "\nBy task type\ntask type  before  after  success" in text
    assert "cost      worse" in text
    sides = ("--before", f"model_tier=small,{WEEKS[1]}", "--after", f"model_tier=small,{WEEKS[3]}")
    assert document(demo, "compare", *sides)["mix"] == ["task_type", "model_tier"]


def test_comparison_is_that_of_the_function(demo):
    """Of windows, with the filters."""
    with ReadOnlyDatabase(demo) as database:
        expected = compare(database, side(WEEKS[1]), side(WEEKS[3]), Selection(repo="shop"))

    found = document(demo, "compare", *WEEKS, "--repo", "shop", status=int(expected.regression))

    named = {"before": WEEKS[1], "after": WEEKS[3], "regression": expected.regression, "price_tables": []}
    told = {name: found[name] for name in ("verdict", "exit_code", "reason", "more_executions")}
    assert found == {**named, **told, **plain(expected)}
    text = answer(demo, "compare", *WEEKS, "--repo", "shop", status=int(expected.regression))
    assert f"detectable change\nsuccess   {expected.success.verdict}" in text
    assert formatting.points(expected.success.detectable) in text


@pytest.mark.parametrize("flip", [False, True])
def test_windows_that_meet_have_nothing_in_common(demo, flip):
    """One ends seven days ago, where the other begins: by the same clock, whichever is named first."""
    sides = ["14d..7d", "7d.."]

    before, after = reversed(sides) if flip else sides

    result = ask(demo, "compare", "--before", before, "--after", after)

    assert result.exit_code in (0, 1, 3), result.stderr


def test_too_little_data_exits_with_3(path):
    """In every form of the answer, with how many more executions it takes."""
    versions(path, 10, 10, count=12)

    text = answer(path, *VERSIONS, status=3)

    reason = "Inconclusive: too little data to detect a change. It takes about 8 more before and 8 more after, of task"
    assert text.splitlines()[-1].startswith(reason)
    assert "too little data" in answer(path, *VERSIONS, "--csv", status=3)
    found = document(path, *VERSIONS, status=3)
    assert (found["verdict"], found["exit_code"], found["regression"]) == ("inconclusive", 3, False)
    assert found["more_executions"] == {"before": 8, "after": 8}
    assert found["reason"].startswith(reason)
    assert answer(path, *VERSIONS, "--markdown", status=3).startswith("### Inconclusive: too little data")


@pytest.mark.parametrize(
    "sides", [WEEKS, ("--by", "model_tier"), ("--before", "version=1.3", "--after", "version=1.4")]
)
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (("--task-type", "fixx"), "No execution has task_type=fixx. Did you mean fix? The values: fix (400)."),
        (("--where", "metadata.verison=1"), "No execution has 'verison' in its task's metadata. Did you mean"),
    ],
)
def test_filter_that_nothing_meets_is_refused(path, sides, wrong, reason):
    """A gate that takes an inconclusive comparison for good would never stop."""
    versions(path, 30, 5)

    result = ask(path, "compare", *sides, *wrong)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {reason}")


def test_windows_without_executions_are_inconclusive(path):
    """They name no value that could be mistyped."""
    versions(path, 10, 10, count=12)

    answer(path, "compare", "--before", "2020-01-01..2020-01-08", "--after", "2020-01-08..2020-01-15", status=3)


def test_tasks_that_one_side_lacks_leave_too_little_to_compare(path):
    """A verdict about a tenth of the executions is none about a version."""
    versions(path, 5, 5, count=30)
    store(path, *[record(task_type="new", metadata={"task": {"version": "1.4"}}) for _ in range(300)])

    assert "compared" in answer(path, *VERSIONS, status=3).splitlines()[-1]


def test_task_type_that_is_new_and_fails_is_a_regression(path):
    """It has no like before to be compared with; a table says so."""
    versions(path, 5, 5)
    fields = {"task_type": "bake", "metadata": {"task": {"version": "1.4"}}}
    store(path, *[record(success=number % 10 == 0, **fields) for number in range(200)])

    text = answer(path, *VERSIONS, status=1)

    assert "\nWithout a like before, and failing\n" in text
    assert text.splitlines()[-1].startswith("Regression: 90.0% of 200 executions of task type bake")
    found = document(path, *VERSIONS, status=1)
    assert (found["verdict"], found["findings"][0]["executions"]) == ("regression", 200)
    (row,) = [row for row in rows(path, *VERSIONS, status=1) if row["metric"] == "failures"]
    assert (row["task_type"], row["model_tier"], row["verdict"]) == ("bake", "unknown", "worse")
    assert (row["after_executions"], row["after"]) == ("200", "0.9")
    assert float(row["before"]) == pytest.approx(0.15)


def test_what_two_days_cannot_tell_is_inconclusive(path):
    """A day that was bad may be a bad day: it takes more of them."""
    store(
        path,
        *[
            record(
                timestamp=NOON + timedelta(days=day, seconds=number),
                metadata={"task": {"version": "1.3" if day < 2 else "1.4"}},
                success=number * 37 % 100 >= failures,
            )
            for day, failures in enumerate((3, 25, 40, 22))
            for number in range(200)
        ],
    )

    text = answer(path, *VERSIONS, status=3)

    assert text.splitlines()[-1] == (
        "Inconclusive: success changed, and days differ too much for so few of them to tell."
        " It takes 5 days or more on each side."
    )


def test_complexity_is_said_to_be_in_the_mix_or_not(path, tiers):
    """In both forms."""
    sides = [("1.3", 10), ("1.4", 20)]
    store(
        path,
        *[
            record(metadata={"task": {"version": version}}, complexity_score=score + number % 30, model_tier=version)
            for version, score in sides
            for number in range(200)
        ],
    )

    for arguments in (VERSIONS, ("compare", "--by", "model_tier")):
        assert " and bands of complexity that " in answer(path, *arguments)
    versions(path, 5, 5, count=800)
    assert "Complexity is not in the mix: it is known of 20.0% of a side.\n" in answer(path, *VERSIONS)
    assert "Complexity is not in the mix: it is not known of most" in answer(tiers, "compare", "--by", "model_tier")


def test_markdown_has_the_figures_of_the_text(path):
    """A headline with the verdict, a table, the cells folded away, and notes."""
    versions(path, 5, 30)

    text = answer(path, *VERSIONS, "--markdown", status=1)
    page = MarkdownIt("commonmark").enable("table").render(text)

    assert page.startswith("<h3>Regression: success -25.0 points.</h3>")
    assert "<code>version=1.3</code>, 200 executions" in page
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert cells[:5] == ["success", "<strong>worse</strong>", "95.0%", "70.0%", "-25.0 points"]
    assert "<summary>By task type and tier (1)</summary>" in page
    assert "<code>fix</code>" in cells
    assert "Compared are the costs of 0 of 200 executions before" in page.partition("</details>")[2]


def test_names_of_users_are_no_markup_in_markdown(path):
    """Nor in the headline, where a task type that got worse is named."""
    name = "a|b `c` <img src=x> *d*"
    store(
        path,
        *[
            record(task_type=name, metadata={"task": {"v|": version}}, success=number % 100 >= share)
            for version, share in (("1", 5), ("<b>2", 30))
            for number in range(200)
        ],
    )

    text = answer(path, "compare", "--before", "v|=1", "--after", "v|=<b>2", "--markdown", status=1)
    page = MarkdownIt("commonmark").enable("table").render(text)

    assert "<code>a|b `c` &lt;img src=x&gt; *d*</code>" in page
    assert "<code>v|=&lt;b&gt;2</code>, 200 executions" in page
    assert "<img" not in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--by", "model_tier", "--before", "7d.."), "--by and --before/--after exclude each other"),
        (("--by", "model_tier", "--after", "7d.."), "--by and --before/--after exclude each other"),
        (("--before", "7d.."), "Missing option '--after'. Expected --before and --after, or --by NAME."),
        ((), "Missing option '--before'."),
        (("--by", "model_tier", "--json", "--markdown"), "--markdown, --json and --csv exclude each other"),
        (("--by", "modell"), "Did you mean model?"),
        (("--by", "metadata.verison"), "Did you mean metadata.version? The keys of metadata: version."),
        (("--by", "model", "--limit", "0"), "0 is not in the range"),
    ],
)
def test_wrong_options_are_one_line(path, options, reason):
    """With the remedy."""
    versions(path, 5, 5, count=1)

    result = ask(path, "compare", *options)

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert reason in result.stderr


@pytest.fixture(scope="module")
def tiers(tmp_path_factory):
    """The path of a database: small is as good as medium and cheaper, large dear and better, tiny little known."""
    path = str(tmp_path_factory.mktemp("tiers") / "learning.db")
    store(
        path,
        *[
            record(
                model_tier=tier,
                success=number * 37 % 100 >= failures,
                actual_cost=cost and cost * (1 + number % 7 / 100),
                timestamp=NOON + timedelta(seconds=number),
            )
            for tier, failures, cost, count in [
                ("small", 10, 0.01, 400), ("medium", 10, 0.05, 400), ("large", 1, 0.5, 400), ("tiny", 10, None, 30)
            ]
            for number in range(count)
        ],
    )  # fmt: skip
    return path


def test_values_side_by_side(tiers):
    """Success beside cost per success, and what is dominated; unknown costs are no $0."""
    text = answer(tiers, "compare", "--by", "model_tier")

    lines = {line.split()[0]: line for line in text.splitlines() if "% (" in line}
    assert "90.0% (" in lines["small"]
    assert "$0.01" in lines["small"]
    assert lines["small"].rstrip().endswith("not dominated  -")
    assert lines["medium"].rstrip().endswith("dominated      small")
    assert " unknown " in lines["tiny"]
    assert "$0 " not in text
    assert "Excluded from costs: 30 executions with no reported cost.\n" in text
    assert text.splitlines()[-1].startswith("medium is dominated by small; too little is known of tiny")


def test_values_side_by_side_for_other_programs(tiers):
    """JSON has the verdict, CSV a line for each value, Markdown a table."""
    found = document(tiers, "compare", "--by", "model_tier")
    with ReadOnlyDatabase(tiers) as database:
        expected = side_by_side(database, "model_tier")
    assert (found["verdict"], found["exit_code"], found["mix"]) == ("dominated", 0, ["task_type"])
    assert [{**plain(each), "unreported": each.unreported} for each in expected.alternatives] == found["alternatives"]
    lines = rows(tiers, "compare", "--by", "model_tier")
    assert [line["value"] for line in lines] == ["large", "medium", "small", "tiny"]
    assert [line["cost_per_success_usd_estimate"] == "" for line in lines] == [False, False, False, True]
    assert lines[1]["dominated_by"] == '["small"]'
    page = MarkdownIt("commonmark").enable("table").render(answer(tiers, "compare", "--by", "model_tier", "--markdown"))
    assert page.startswith("<h3>medium is dominated by small;")
    assert re.findall(r"<tr>\s*<td[^>]*><code>(.*?)</code></td>", page) == ["large", "medium", "small", "tiny"]
    assert re.findall(r"<strong>dominated</strong></td>\s*<td[^>]*>(.*?)</td>", page) == ["<code>small</code>"]


def test_values_beyond_the_limit_are_counted(tiers):
    """In the text and, on standard error, with CSV."""
    assert "2 less frequent values with 430 executions not shown" in answer(
        tiers, "compare", "--by", "model_tier", "--limit", "2"
    )
    assert document(tiers, "compare", "--by", "model_tier", "--limit", "2")["others"] == 2
    result = ask(tiers, "compare", "--by", "model_tier", "--limit", "2", "--csv")
    assert "2 less frequent values are left out" in result.stderr


def test_one_value_is_inconclusive(tiers):
    """There is nothing beside it; nor is there in a selection that nothing is in."""
    assert "Inconclusive" in answer(tiers, "compare", "--by", "model_tier", "--model-tier", "small", status=3)
    result = ask(tiers, "compare", "--by", "model_tier", "--until", "2000-01-01")
    assert result.exit_code == 3
    assert "No execution started in this window." in result.stderr
