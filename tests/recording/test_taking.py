"""The generated code takes what a loop over the table of fields takes."""

import collections
import decimal
import enum
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import RefusingDict, values

from learning_instrument.recording.fields import FROM_RESULT, FROM_TASK, INVALID, PLAIN_FORMS
from learning_instrument.recording.taking import TAKE_RESULT, TAKE_TASK
from learning_instrument.safety.own_redaction import parsed, use
from learning_instrument.safety.readers import Memo, reader_of

NAMES = sorted({row[0] for plans in (FROM_TASK, FROM_RESULT) for row in plans[True]})
PLAIN = st.one_of(
    st.text(max_size=30), st.integers(), st.floats(), st.booleans(), st.sampled_from(["x" * 600, "task-1", 2**63, 100]),
    st.sampled_from(["password=hunter2-and-more", "\ud800", "sk-abcdefghijklmnopqrstuv1234567890", decimal.Decimal(2)]),
    st.sampled_from(enum.Enum("Level", {"HIGH": "high", "LOW": 3})),
)  # fmt: skip


def looped(read, plan, attributes):
    """Take the fields by a loop; return what is invalid."""
    invalid = {}
    for name, key, column, clean, replaces in plan:
        if key in attributes and not replaces:
            continue
        try:
            value = read(name)
            cleaned = None if value is None else clean(value)
        except Exception:
            continue
        if cleaned is INVALID:
            invalid[column] = value
        elif value is not None:
            attributes[key] = cleaned
    return invalid


def taken(source, content):
    """Return what a task and a result of the same fields give, as text: as generated, and as looped."""
    found, expected = {}, {}
    texts = []
    for take, plans in ((TAKE_TASK, FROM_TASK), (TAKE_RESULT, FROM_RESULT)):
        invalid = {}
        read = reader_of(source)
        take[content][type(read) is Memo](read, found, invalid.__setitem__)
        texts.append(text_of(found, invalid))
        invalid = looped(reader_of(source), plans[content], expected)
        texts.append(text_of(expected, invalid))
    return texts[::2], texts[1::2]


def text_of(attributes, invalid):
    """Return the attributes, in order, and the objects that are invalid."""
    return repr(attributes), [(column, id(value)) for column, value in invalid.items()]


@pytest.mark.parametrize("made", [dict, lambda each: types.SimpleNamespace(**each), collections.OrderedDict])
@given(each=st.dictionaries(st.sampled_from(NAMES), st.one_of(PLAIN, values), max_size=9), content=st.booleans())
def test_values_are_those_of_the_table(made, each, content):
    """Of plain values and others, with and without contents, in the same order."""
    found, expected = taken(made(each), content)

    assert found == expected


@given(each=st.dictionaries(st.sampled_from(NAMES), PLAIN, max_size=9))
def test_own_redaction_is_asked(each):
    """Plain forms know the setting."""
    use(parsed(["task", "[xyz]"]))
    invalid = {}
    try:
        found, expected = taken(each, True)
        TAKE_TASK[True][False]({"task_id": "task-1"}.get, {}, invalid.__setitem__)
    finally:
        use(None)

    assert found == expected
    assert invalid == {"task_id": "task-1"}


def test_every_cleaner_of_many_values_has_a_plain_form():
    """What has none is called for each value: few columns."""
    without = {row[2] for row in FROM_TASK[True] + FROM_RESULT[True] if row[3] not in PLAIN_FORMS}

    assert without == {"file_count", "peak_memory_mb"}


def test_value_that_cannot_be_read_is_missing_and_the_others_are_taken():
    """A property or a key that raises takes nothing else with it."""

    class Task:
        task_type = "review"
        reads = 0

        @property
        def prompt(self):
            Task.reads += 1
            raise SystemExit

    class Key(str):
        def __eq__(self, other):
            raise LookupError

        __hash__ = str.__hash__

    attributes = {}
    TAKE_TASK[True][True](reader_of(Task()), attributes, None)
    assert list(attributes.values()) == ["review"]
    assert Task.reads == 1  # not for its estimate of tokens, too

    attributes.clear()
    TAKE_TASK[True][False]({Key("task_id"): 1, "task_type": "review"}.get, attributes, None)
    assert list(attributes.values()) == ["review"]

    attributes.clear()
    TAKE_TASK[True][True](reader_of(RefusingDict(task_type="review")), attributes, None)
    assert attributes == {}
