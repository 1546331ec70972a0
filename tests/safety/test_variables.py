"""Invalid variables of OpenTelemetry are unset for as long as it reads them."""

import os

import pytest

from learning_instrument.safety.variables import ignored, ignoring_invalid


@pytest.fixture(autouse=True)
def forget():
    """Forget the warnings given."""
    yield
    ignored.clear()


def refuse(*names):
    """Return a function that raises an error for the first of *names* that is set."""

    def read():
        for name in names:
            if name in os.environ:
                raise ValueError(f"{name} must be an integer")
        return "read"

    return read


def test_named_variables_are_unset_one_after_the_other_and_restored(monkeypatch, caplog):
    """Each is warned of once; a variable that is not at fault stays, and all are there afterwards."""
    monkeypatch.setenv("OTEL_A", "x")
    monkeypatch.setenv("OTEL_B", "y")

    for _ in range(2):
        assert ignoring_invalid(refuse("OTEL_A", "OTEL_B")) == "read"
    assert (os.environ["OTEL_A"], os.environ["OTEL_B"]) == ("x", "y")
    assert [record.getMessage() for record in caplog.records] == [
        "Invalid OTEL_A=x is ignored: OTEL_A must be an integer.",
        "Invalid OTEL_B=y is ignored: OTEL_B must be an integer.",
    ]


def test_error_that_no_variable_explains_is_raised(monkeypatch):
    """Without a set variable there is nothing to ignore."""
    monkeypatch.delenv("OTEL_C", raising=False)

    with pytest.raises(KeyError):
        ignoring_invalid(lambda: {}["x"], "OTEL_C")


@pytest.mark.parametrize("exhausted", [RecursionError, MemoryError])
def test_lack_of_stack_or_memory_is_no_variables_fault(monkeypatch, caplog, exhausted):
    """The error is raised at once, and nothing is unset or logged."""
    monkeypatch.setenv("OTEL_A", "x")
    seen = []

    def read():
        seen.append(os.environ.get("OTEL_A"))
        raise exhausted

    with pytest.raises(exhausted):
        ignoring_invalid(read, "OTEL_A")

    assert seen == ["x"]
    assert caplog.records == []
