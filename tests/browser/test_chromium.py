"""What looks at pages sees the faults that it looks for."""

import http.server
import threading
from pathlib import Path

import pytest

from .chromium import FRAME, BrowserError

pytestmark = pytest.mark.slow

CHART = '<svg role="img" aria-label="A chart" width="100" height="50">{}</svg>'
AXIS = '<path class="c-axis" d="M0 40H100" stroke="black"/>'
#: A policy that lets scripts in.
LOOSE = "script-src 'unsafe-inline'"
MARK = '<circle class="c-dot" cx="10" cy="10" r="4"/>'


@pytest.fixture
def show(browser, tmp_path):
    """Return what opens a page with *body*, whose policy lets styles in alone."""
    pages = []

    def open_page(body, head="", policy="default-src 'none'; style-src 'unsafe-inline'", **window):
        file = tmp_path / f"page-{len(pages)}.html"
        file.write_text(
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">{head}</head>'
            f"<body><main><h1>A page</h1>{body}</main></body></html>"
        )
        pages.append(browser.open(file, **window))
        return pages[-1]

    yield open_page
    for page in pages:
        with page:
            pass


def test_sound_page_has_no_fault(show):
    """A page without faults passes every check."""
    page = show(CHART.format(AXIS + MARK))
    assert page.faults == []
    assert page.violations() == []
    assert [each.pixels > 0 for each in page.ink("svg[role=img]", without=FRAME)] == [True]
    assert len(page.requests) == 1


@pytest.mark.parametrize(
    "inside", ["", AXIS, '<circle cx="10" cy="10" r="4" fill="white"/>', '<circle cx="-9" r="4"/>']
)
def test_chart_that_shows_nothing_has_no_ink(show, inside):
    """An empty chart, an axis alone, white on white and marks outside are not drawn."""
    (found,) = show(CHART.format(inside)).ink("svg[role=img]", without=FRAME)
    assert (found.label, found.pixels) == ("A chart", 0)


def test_hidden_charts_are_not_measured(show):
    """A chart in a hidden part of the page is left out."""
    assert show(f"<div hidden>{CHART.format(MARK)}</div>").ink("svg[role=img]") == []


def test_measuring_leaves_the_page_as_it_was(show):
    """What is hidden to measure a chart is shown again."""
    page = show(CHART.format(AXIS))
    page.ink("svg[role=img]", without=FRAME)
    assert page.ink("svg[role=img]")[0].pixels > 0


@pytest.mark.parametrize(
    ("rule", "body"),
    [
        ("color-contrast", '<p style="color: #bbb">Too faint.</p>'),
        ("label", "<input>"),
        ("svg-img-alt", '<svg role="img" width="9" height="9"></svg>'),
        ("heading-order", "<h4>Two levels too deep</h4>"),
        ("target-size", "<p><button style='width: 9px; height: 9px'></button><button style='width: 9px'></button></p>"),
    ],
)
def test_page_that_is_hard_to_use_has_a_violation(show, rule, body):
    """Faint text, a field without a label, a chart without a name: each is found."""
    assert rule in {each.rule for each in show(body).violations()}


@pytest.mark.parametrize(
    ("said", "page"),
    [
        ("page error: no more", {"body": "<script>throw Error('no more')</script>", "policy": LOOSE}),
        ("console error: wrong", {"body": "<script>console.error('wrong')</script>", "policy": LOOSE}),
        ("console error: Executing inline script violates", {"body": "<script>var ran</script>"}),
        ("console error: Executing inline event handler violates", {"body": '<p onclick="1">x</p>'}),
        ("console error: Loading the image", {"body": '<img alt="" src="http://127.0.0.1:1/x.png">'}),
        (
            "request failed: http://127.0.0.1:1/x.png",
            {"body": '<img alt="" src="http://127.0.0.1:1/x.png">', "policy": ""},
        ),
        ("dialog: 1", {"body": "<script>alert(1)</script>", "policy": LOOSE}),
    ],
)
def test_what_goes_wrong_in_a_page_is_a_fault(show, said, page):
    """Errors of scripts, of the console, of the policy and of requests are kept."""
    assert any(fault.startswith(said) for fault in show(**page).faults)


def test_requests_are_kept_with_their_headers(browser):
    """Each request is there, with its address and what it tells of the page before."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        with browser.open(url) as page:
            page.click("a")
            page.wait("location.pathname === '/next'")
            asked = [(each["url"], each["headers"].get("referer")) for each in page.requests]
            assert [cookie["name"] for cookie in page.cookies] == ["crumb"]
        server.shutdown()
    assert asked == [(url, None), (f"{url}next", url)]


class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Set-Cookie", "crumb=1")
        self.end_headers()
        self.wfile.write(b'<link rel="icon" href="data:,"><a href="/next">Next</a>')

    def log_message(self, *args):
        pass


def test_window_is_as_asked_for(show):
    """Width, colour scheme, motion, printing and scripts are what the page sees."""
    asked = "[innerWidth, matchMedia('(prefers-color-scheme: dark)').matches, matchMedia('print').matches]"
    page = show("<script>var ran = 1</script>", policy=LOOSE, width=360, height=740, dark=True)
    assert page.read(asked) == [360, True, False]
    assert page.read("window.ran") == 1
    page.print()
    assert page.read(asked) == [360, True, True]
    plain = show("<script>var ran = 1</script>", policy=LOOSE, scripts=False)
    assert plain.read(asked) == [1280, False, False]
    assert plain.read("window.ran") is None


def test_keys_and_mouse_reach_the_page(show, tmp_path):
    """Typing, keys and clicks do what they do for a reader; pictures and prints are files."""
    page = show('<label>Name <input id="name"></label><details><summary>More</summary><p>Text</p></details>')
    page.press("Tab")
    page.type("small")
    page.press("Home", "Delete", "Tab", "Enter")
    assert page.read("[document.getElementById('name').value, document.querySelector('details').open]") == [
        "mall",
        True,
    ]
    page.click("summary")
    assert page.read("document.querySelector('details').open") is False
    page.screenshot(tmp_path / "window.png")
    page.picture(tmp_path / "part.png", "label")
    page.pdf(tmp_path / "page.pdf")
    heads = {file.suffix: file.read_bytes()[:5] for file in Path(tmp_path).glob("*.p*")}
    assert heads == {".png": b"\x89PNG\r", ".pdf": b"%PDF-"}


def test_call_that_cannot_be_done_says_so(show):
    """A wrong expression is an error here, and the browser goes on."""
    page = show("")
    with pytest.raises(BrowserError, match="nothing is not defined"):
        page.read("nothing")
    assert page.read("1 + 1") == 2
