"""CSV of ``export`` is read again, also where a spreadsheet or an editor has saved it."""

import gzip

import pytest

from learning_instrument import ErrorType, ExecutionRecord
from learning_instrument.columns import COLUMNS
from learning_instrument.errors import ConfigurationError
from learning_instrument.outcome import Outcome
from learning_instrument.transfer import export_executions, import_executions

from .records import make, stored_in

HEADER = "task_type,timestamp,repo,file_count,actual_cost,success"
MOMENT = "2026-11-22T10:00:00+00:00"


@pytest.fixture
def imported(tmp_path):
    """Import text of CSV; return the answer and the records that are stored."""

    def imported(text):
        (tmp_path / "file").write_bytes(text if isinstance(text, bytes) else text.encode())
        answer = import_executions(tmp_path / "target.db", [tmp_path / "file"])
        return answer, stored_in(tmp_path / "target.db")

    return imported


def recode(text, encoding):
    return text.decode().encode(encoding)


@pytest.mark.parametrize(
    "change",
    [bytes, gzip.compress, lambda text: b"\xef\xbb\xbf" + text, lambda text: text.replace(b"\r\n", b"\n"),
     lambda text: recode(text, "utf-16")],
)  # fmt: skip
def test_exported_file_is_stored_as_it_was(imported, tmp_path, change):
    """With formulas, line breaks and quotes in its texts."""
    record = ExecutionRecord(
        task_type="'=1", task_description='=cmd("a")\n+1', repo="-1", quality_score=12.5, metadata={"a": [1, "é"]},
        outcome=Outcome.FAILED, error_type=ErrorType.TIMEOUT, user_rating=4, user_accepted=False,
    )  # fmt: skip
    source = make(tmp_path / "source.db", [record])
    export_executions(source, tmp_path / "out.csv")

    answer, stored = imported(change((tmp_path / "out.csv").read_bytes()))

    assert (answer.stored, answer.refusals, stored) == (1, (), stored_in(source))


def test_some_columns_are_enough(imported):
    """The others have their defaults, which are marked."""
    answer, (record,) = imported(f"{HEADER}\nreview,{MOMENT},,3,0.5,true\n\n")

    assert (answer.read, record.repo, record.file_count, record.actual_cost, record.success) == (
        1,
        "unknown",
        3,
        0.5,
        True,
    )
    assert "repo" in record.defaulted


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"t,{MOMENT},a,three,0.5,1", "file_count is 'three': expected an integer"),
        (f"t,{MOMENT},a,3,nan,1", "actual_cost is nan: expected a number"),
        (f"t,{MOMENT},a,3,0.5,maybe", "success is 'maybe': expected true or false"),
        ("t,yesterday,a,3,0.5,1", "timestamp is 'yesterday': expected a date and time with a time zone"),
        (f"t,{MOMENT},a,3,0.5", "it has 5 values: expected 6, as the header"),
        (f"t,{MOMENT},a,3,0.5,1".encode().replace(b"a", b"\xff"), "not UTF-8"),
        (f",{MOMENT},a,3,0.5,x" + "y" * 200_000, "not CSV: field larger than field limit (131072)"),
    ],
)
def test_bad_row_is_refused_with_its_line(imported, line, reason):
    good = f"t,{MOMENT},a,3,0.5,1"
    encoded = line if isinstance(line, bytes) else line.encode()

    answer, stored = imported(b"\n".join([HEADER.encode(), good.encode(), encoded, good.replace("a", "b").encode()]))

    assert [(refusal.place, refusal.reason) for refusal in answer.refusals] == [("line 3", reason)]
    assert len(stored) == 2


@pytest.mark.parametrize("header", ["a,b", "task_type", f"{HEADER},colour", "task_type;timestamp", '"task_type'])
def test_other_csv_is_of_an_unknown_format(imported, header):
    with pytest.raises(ConfigurationError, match="Unknown format"):
        imported(f"{header}\nt,{MOMENT}\n")


def test_header_alone_has_no_executions(imported):
    assert imported(",".join(COLUMNS))[0].read == 0
