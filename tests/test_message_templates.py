"""What is masked in a message, and which messages become one template."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.message_templates import mask, merge


def test_what_varies_is_masked(subtests):
    """And nothing else."""
    for message, template in [
        ("took 12 ms, 3.5s, -1 and 1,234.56", "took <N> ms, <N>s, <N> and <N>"),
        ("worker-12 lost", "worker-<N> lost"),
        ("no such table: users", "no such table: users"),
        ("at 0x7f3A and deadbeef01", "at <ID> and <ID>"),
        ("task 6fa459ea-ee8a-3ca4-894e-db77e160355e failed", "task <ID> failed"),
        ("key sk-AbCdEfGhIjKlMn0123456789 refused", "key <ID> refused"),
        ("a feedback face is no id", "a feedback face is no id"),
        ("GET https://x.example/a?b=c: 404", "GET <URL> <N>"),
        ("see (http://x.example/a)", "see (<URL>)"),
        ("open /srv/a/b.txt or C:\\dir\\f.py or ./x or ~/y", "open <PATH> or <PATH> or <PATH> or <PATH>"),
        ("module.py:12:5: and/or n/a", "<PATH>:<N>: and/or n/a"),
        ("in src/app/main.py, line 3", "in <PATH>, line <N>"),
        ("'a' is not \"b c\" nor `d`", "<TEXT> is not <TEXT> nor <TEXT>"),
        ("can't read the user's file", "can't read the user's file"),
        ("it's 'don't' here", "it's <TEXT> here"),
        ("“a” «b» „c“ 「d」", "<TEXT> <TEXT> <TEXT> <TEXT>"),
        ("an unclosed ' quote", "an unclosed ' quote"),
        ("mail a.b@c.example now", "mail <EMAIL> now"),
        ("since 2026-11-22T10:00:00.123Z and 2026-11-22", "since <TIME> and <TIME>"),
        ("code 429 - {'error': {'message': 'x'}} end", "code <N> - <DATA> end"),
        ("cut {'error': {'mess", "cut <DATA>"),
        ("one of 1, 2, 3 or 4", "one of <N> or <N>"),
        ("from 10.0.0.1:5432", "from <N>"),
        ("first line 1\nsecond line 2", "first line <N>"),
        ("\n  \n after blanks", "after blanks"),
        ('Traceback (most recent call last):\n  File "x.py", line 1\nValueError: no 3', "ValueError: no <N>"),
        ("Traceback (most recent call last):\n  File", "File"),
        ("ファイル /a/b.txt が見つかりません", "ファイル <PATH> が見つかりません"),
        ("", ""),
        (" \n ", ""),
    ]:
        with subtests.test(message=message, template=template):
            assert mask(message) == template


def test_long_messages_are_cut():
    """The rest is usually data."""
    assert mask("word " * 200) == mask("word " * 300)
    assert len(mask("word " * 200).split()) == 50


@given(st.text(max_size=1000) | st.text(alphabet="a1'\"/\\-{}._ :@", max_size=1000))
def test_any_text_has_a_template(message):
    """In one line, with single spaces."""
    template = mask(message)

    assert template == " ".join(template.split())
    assert mask(message) == template


def test_no_message_takes_long(subtests):
    """A message has at most 1000 characters; none of these is a trap."""
    for piece in ["a-", "'a", "{'", "/a", "1,", "a.", "a@", '"\\', "-1", "x://", "0a", "{{'", "..", "“"]:
        with subtests.test(piece=piece):
            for text in (piece * 500, "x" + piece * 499 + " ", piece * 400 + "\n"):
                mask(text[:1000])  # the test's time-out is the assertion


def test_alike_templates_become_one():
    """Of equal length, with at least half of their tokens equal; what differs gets a wildcard."""
    templates = ["could not open door one", "could not open window two", "could not open it", "shut the front door now"]

    assert merge(templates) == {
        "could not open door one": "could not open <*> <*>",
        "could not open window two": "could not open <*> <*>",
        "could not open it": "could not open it",
        "shut the front door now": "shut the front door now",
    }


@pytest.mark.parametrize(
    ("other", "is_merged"), [("a b x y", True), ("a x y z", False), ("a b c x", True), ("a b c", False)]
)
def test_half_of_the_tokens_is_enough(other, is_merged):
    """And less is not."""
    assert (merge(["a b c d", other])[other] != other) is is_merged


def test_template_joins_the_one_it_is_most_like():
    """Not the first that would do."""
    merged = merge(["a b c d e f", "a b c x y z", "a b c x y w"])

    assert merged["a b c d e f"] == merged["a b c x y z"]  # three of six
    merged = merge(["a b c d e f", "p q r x y z", "a q r x y z"])
    assert merged["a q r x y z"] == "<*> q r x y z"


token_lists = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(" ".join)


@given(known=st.lists(token_lists, max_size=12, unique=True), later=token_lists)
def test_new_message_moves_no_other(known, later):
    """Those that were together stay so, and those apart too."""
    before, after = merge(known), merge([*known, later])

    assert after.keys() == {*known, later}
    for one in known:
        for other in known:
            assert (before[one] == before[other]) <= (after[one] == after[other])


@given(st.lists(token_lists, max_size=12))
def test_templates_match_their_messages(templates):
    """Token by token, but for wildcards."""
    for message, template in merge(templates).items():
        pairs = list(zip(message.split(), template.split(), strict=True))
        assert all(own in (token, "<*>") for token, own in pairs)
