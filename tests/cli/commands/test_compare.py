"""``learning-instrument compare``: regressions and exit codes."""

import pytest
from asking import NOON, answer, ask, document, record, rows, store

from learning_instrument.analytics import Selection, compare, side
from learning_instrument.cli import formatting
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

    assert text.endswith("Regression found.\n")
    (line,) = [line for line in text.splitlines() if line.startswith("success")]
    assert line.split()[:6] == ["success", "worse", "95.0%", "70.0%", "-25.0", "points"]
    assert document(path, *VERSIONS, status=1)["regression"] is True
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

    assert "100.0% of them: the task types that both sides have, across tiers, in which they differ\n" in text
    assert "\nBy task type\ntask type  before  after  success" in text
    assert "cost      worse" in text
    models = document(demo, "compare", "--before", "model_tier=small,..7d", "--after", "model_tier=small,7d..")
    assert models["mix"] == ["task_type", "model_tier"]


def test_comparison_is_that_of_the_function(demo):
    """Of windows, with the filters."""
    with ReadOnlyDatabase(demo) as database:
        expected = compare(database, side(WEEKS[1]), side(WEEKS[3]), Selection(repo="shop"))

    found = document(demo, "compare", *WEEKS, "--repo", "shop", status=int(expected.regression))

    named = {"before": WEEKS[1], "after": WEEKS[3], "regression": expected.regression, "price_tables": []}
    assert found == {**named, **plain(expected)}
    text = answer(demo, "compare", *WEEKS, "--repo", "shop", status=int(expected.regression))
    assert f"detectable change\nsuccess   {expected.success.verdict}" in text
    assert formatting.points(expected.success.detectable) in text


@pytest.mark.parametrize("flip", [False, True])
def test_windows_that_meet_have_nothing_in_common(demo, flip):
    """One ends seven days ago, where the other begins: by the same clock, whichever is named first."""
    sides = ["14d..7d", "7d.."]

    before, after = reversed(sides) if flip else sides

    result = ask(demo, "compare", "--before", before, "--after", after)

    assert result.exit_code in (0, 1), result.stderr
