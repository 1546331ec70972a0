"""Tests for the elements that pages are made of."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.dashboard.markup import MOST_CHARACTERS, element, joined, shortened, trusted


class Seen(HTMLParser):
    """Remembers what a parser of HTML finds."""

    def __init__(self, markup):
        super().__init__(convert_charrefs=True)
        self.tags, self.text = [], ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@given(st.text(), st.text())
def test_text_becomes_no_markup(text, value):
    """Whatever text and attribute values hold, a parser finds the one element that was made."""
    seen = Seen(element("p", text, title=value))
    assert [tag for tag, _ in seen.tags] == ["p"]
    assert seen.tags[0][1].keys() == {"title"}
    assert seen.text.strip(" ") == shortened(text)


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "a" * 4000, "\u202egnp.exe", "\x00\x1b[2J", "&lt;", "\ud800"]
)
def test_hostile_text_is_shown_as_it_is(text):
    """Markup is escaped, what the eye or a terminal obeys is spelled out, and a long word is cut."""
    seen = Seen(element("td", text))
    assert seen.tags == [("td", {})]
    assert len(seen.text) <= MOST_CHARACTERS
    assert not set(seen.text) & set("\u202e\x00\x1b\ud800")


def test_elements_hold_elements():
    """Markup within an element stays markup, and None is left out."""
    inner = joined(element("b", "1 < 2"), " and ", None, trusted("<i>3</i>"))
    assert element("p", inner, class_="x", hidden=True, data_x=False) == (
        '<p class="x" hidden><b>1 &lt; 2</b> and <i>3</i></p>'
    )
    assert element("br") == "<br>"


def test_numbers_are_short():
    """A coordinate has no more digits than a picture can show."""
    assert element("circle", cx=1 / 3, r=2) == '<circle cx="0.333333" r="2"></circle>'
