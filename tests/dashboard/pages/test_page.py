"""Tests for the document that pages are made in."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from learning_instrument.dashboard.markup import element, trusted
from learning_instrument.dashboard.pages.page import document, policy


class Parsed(HTMLParser):
    """Remembers the elements of a document, and the text of its styles and scripts."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.raw, self._open = [], [], None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data):
        if self._open in ("style", "script"):
            self.raw.append((self._open, data))

    def handle_endtag(self, tag):
        self._open = None

    def of(self, tag):
        """Return the attributes of all elements of a name."""
        return [attrs for name, attrs in self.tags if name == tag]


def a_document(**options):
    content = element("main", element("h1", "Executions"), id="main")
    return Parsed(document("Executions", content, **options).decode())


def the_policy(parsed):
    (found,) = [meta["content"] for meta in parsed.of("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    return {name: values.split() for name, _, values in (part.partition(" ") for part in found.split("; "))}


def test_policy_allows_the_style_and_scripts_of_the_document_alone():
    """The hashes of the policy are those of its style and of its scripts; all else is forbidden."""
    parsed = a_document(scripts=(trusted("document.title;"), trusted("1 < 2 && 'x';")))
    allowed = the_policy(parsed)
    assert (
        allowed["default-src"] == allowed["base-uri"] == allowed["connect-src"] == allowed["form-action"] == ["'none'"]
    )
    for tag in ("style", "script"):
        hashes = [hashlib.sha256(text.encode()).digest() for name, text in parsed.raw if name == tag]
        assert allowed[f"{tag}-src"] == [f"'sha256-{base64.b64encode(each).decode()}'" for each in hashes]


@pytest.mark.parametrize("name", ["connect-src", "form-action"])
def test_served_document_may_ask_its_server(name):
    """A document of a server may ask that server, and send its forms there."""
    assert the_policy(a_document(is_served=True))[name] == ["'self'"]
    assert f"{name} 'self'" in policy(is_served=True).split("; ")


def test_document_without_scripts_runs_none():
    """Without a script of ours the policy allows none."""
    assert the_policy(a_document())["script-src"] == ["'none'"]


def test_document_refers_to_nothing_outside():
    """No address of the document or its style leads anywhere but into it."""
    html = document("Executions", element("main", id="main")).decode()
    assert not re.search(r"https?:|//[a-z]|@import|url\(", html)


def test_document_says_its_language_and_fits_a_phone():
    """The language, the width, both colour schemes and the way past the header are said."""
    parsed = a_document()
    metas = {meta.get("name"): meta.get("content") for meta in parsed.of("meta")}
    assert parsed.of("html") == [{"lang": "en"}]
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert metas["color-scheme"] == "light dark"
    assert parsed.of("a")[0]["href"] == f"#{parsed.of('main')[0]['id']}"
