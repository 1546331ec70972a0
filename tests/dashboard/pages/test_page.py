"""Tests for the document that pages are made in."""

import base64
import hashlib
import math
import re
from html.parser import HTMLParser
from operator import mul

import pytest

from learning_instrument.dashboard.markup import element, trusted
from learning_instrument.dashboard.pages.page import document, packaged, policy


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


#: How eyes without one kind of cones see linear red, green and blue (Machado, Oliveira and Fernandes 2009).
EYES = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no long waves": (
        (0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)
    ),
    "no middle waves": (
        (0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)
    ),
    "no short waves": (
        (1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)
    ),
}  # fmt: skip
#: Light and dark; what is printed is light.
SCHEMES = [dict(re.findall(r"--(\w+): #([0-9a-f]+);", block)) for block in packaged("page.css").split(":root")[1:3]]


def seen(colour, eyes):
    """Return lightness and hue of a colour, as eyes see it: Oklab (Ottosson 2020)."""
    channels = re.findall("..", colour if len(colour) == 6 else "".join(each * 2 for each in colour))
    shares = [int(each, 16) / 255 for each in channels]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    linear = [min(1.0, max(0.0, sum(map(mul, row, linear)))) for row in EYES[eyes]]
    cones = [
        sum(map(mul, row, linear)) ** (1 / 3)
        for row in (
            (0.4122214708, 0.5363325363, 0.0514459929),
            (0.2119034982, 0.6806995451, 0.1073969566),
            (0.0883024619, 0.2817188376, 0.6299787005),
        )
    ]
    return [
        sum(map(mul, row, cones))
        for row in (
            (0.2104542553, 0.7936177850, -0.0040720468),
            (1.9779984951, -2.4285922050, 0.4505937099),
            (0.0259040371, 0.7827717662, -0.8086757660),
        )
    ]


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark"])
@pytest.mark.parametrize(
    "pair", [("good", "bad"), ("accent", "bad"), ("accent", "muted"), ("accent", "card")], ids="-".join
)
def test_colours_of_different_meaning_are_told_apart_by_all_eyes(scheme, pair, eyes):
    """Several times as far apart as a difference that is just seen, 0.02."""
    assert math.dist(*(seen(scheme[name], eyes) for name in pair)) > 0.06


def test_script_of_a_file_computes_nothing():
    """It shows and hides what was made beforehand: no number is read, and none is made."""
    code = re.sub(r"//.*|\"[^\"]*\"|`[^`]*`", "", packaged("page.js"))
    assert not re.search(r"[-+*/%]|Math|Number|parse(Int|Float)|toFixed|reduce", code)
