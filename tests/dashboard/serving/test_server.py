"""The server of documents, asked over its socket."""

import contextlib
import html
import http.client
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.dashboard.serving import server as server_module
from learning_instrument.dashboard.serving.server import Document, DocumentServer
from learning_instrument.errors import ConfigurationError, DatabaseError, UnknownExecutionError

from .serving import ask, serving

FAULTS = {
    "no-database": DatabaseError("there is no\ndatabase"),
    "invalid": ConfigurationError("Invalid <b>"),
    "unknown": UnknownExecutionError("Unknown execution"),
    "damaged": KeyError("outcome"),
}


def fail(request):
    raise FAULTS[request.rest]


def repeat(request):
    return Document("text/plain", repr((request.rest, dict(request.query))).encode())


ROUTES = {
    "/page": lambda request: Document("text/html", b"<p>hello", headers={"ETag": '"1"'}),
    "/repeat": repeat,
    "/fails/": fail,
}


def error_page(title, message):
    return Document("text/html", f"<h1>{title}</h1>{html.escape(message)}".encode())


@pytest.fixture(scope="module")
def server():
    with serving(ROUTES, error_page=error_page) as server:
        yield server


def test_route_answers_with_its_document(server):
    """Whatever the query; browsers neither keep it nor guess what it is."""
    for path in ("/page", "/page?format=prometheus"):
        status, headers, body = ask(server, path)

        assert (status, headers["Content-Type"], headers["Content-Length"], body) == (
            200,
            "text/html",
            "8",
            b"<p>hello",
        )
        assert "Python" not in headers["Server"]


def test_head_is_the_answer_without_its_body(server):
    status, headers, body = ask(server, method="HEAD")

    assert (status, headers["Content-Length"], body) == (200, "8", b"")


@pytest.mark.parametrize("path", ["/page", "/nothing", "/page?%", "/fails/no-database"])
def test_browsers_keep_share_and_guess_nothing(server, path):
    """Whatever the answer is."""
    _, headers, _ = ask(server, path)

    told = ("Cache", "X-", "Referrer", "Cross", "Content-Security")
    assert {name: value for name, value in headers.items() if name.startswith(told)} == {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Content-Security-Policy": "frame-ancestors 'none'",
    }


def test_document_that_the_client_has_is_304(server):
    """By its tag, and without a body."""
    status, headers, body = ask(server, If_None_Match='"1"')

    assert (status, headers["ETag"], headers["Content-Length"], body) == (304, '"1"', None, b"")
    assert ask(server, If_None_Match='"2"')[0] == 200
    assert ask(server, "/repeat", If_None_Match="")[0] == 200


def test_route_is_told_the_rest_of_the_path_and_the_parameters(server):
    """Decoded, and each value of a parameter that is given several times."""
    assert ask(server, "/repeat?a=%C3%BC+1&b=&a=2;3")[2] == "('', {'a': ('\u00fc 1', '2;3'), 'b': ('',)})".encode()
    assert ask(server, "/fails/un%6Bnown")[0] == 404


@pytest.mark.parametrize("path", ["/", "/page/", "/../page", "/metrics", "/%70age", "*", "page", "/fails"])
def test_unknown_path_is_404(server, path):
    """With the paths that there are."""
    status, _, body = ask(server, path)

    assert (status, body) == (404, b"There is only /page, /repeat, /fails/.\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "ANY"])
def test_other_method_is_405(server, method):
    """With what it sends read first."""
    status, headers, body = ask(server, method=method, body=b"x" * 50_000)

    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert body == b"Only GET and HEAD.\n"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "localhost.:1", "127.0.0.1", "127.1.2.3:5", "[::1]:9"])
def test_names_of_this_machine_are_answered(server, host):
    assert ask(server, Host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:9464", "127.0.0.1.evil.example", "10.0.0.1", ""]
)
def test_other_name_is_refused(server, host):
    """A page of the web could lead its name here, and read the answer."""
    status, _, body = ask(server, Host=host)

    assert status == 403
    assert b"hello" not in body


def ask_raw(server, *lines):
    """Return status, head and body of the answer to a request of these *lines*, which the server ends itself."""
    with socket.create_connection(server.server_address[:2], timeout=15) as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head, body


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://127.0.0.1:9464/page", "127.0.0.1:9464", 200),
        ("HTTP://localhost/page?format=x", "localhost", 200),
        ("http://[::1]:9464/page", "evil.example", 200),
        ("http://localhost/metrics", "localhost", 404),
        ("http://localhost", "localhost", 404),
        ("http://evil.example/page", "localhost", 403),
        ("http:///page", "localhost", 403),
        ("ftp://localhost/page", "localhost", 404),
    ],
)
def test_absolute_target_is_its_path_and_names_the_host(server, target, host, status):
    """As to a proxy: its host is checked, and the header is not."""
    assert ask_raw(server, f"GET {target} HTTP/1.1", f"Host: {host}")[0] == status


@pytest.mark.parametrize(
    ("version", "headers", "status"),
    [
        ("HTTP/1.0", [], 200),
        ("HTTP/1.0", ["Host: localhost"], 200),
        ("HTTP/1.0", ["Host: evil.example"], 403),
        ("HTTP/1.1", [], 403),
    ],
)
def test_old_client_may_leave_the_host_out(server, version, headers, status):
    """It is no browser, which always sends it."""
    assert ask_raw(server, f"GET /page {version}", *headers)[0] == status


@pytest.mark.parametrize("length", ["999999999999", "9" * 5000, "-1", "0", "+5", "x", "1e3", "5, 6", "", "\u0665"])
def test_length_that_is_announced_is_not_waited_for(server, length):
    """Huge, no number, or never sent."""
    assert ask_raw(server, "GET /page HTTP/1.1", "Host: localhost", f"Content-Length: {length}")[0] == 200
    assert ask_raw(server, "GET /page HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked", "")[0] == 200


def test_client_that_sends_without_end_is_left(server):
    """Others are answered meanwhile."""
    with socket.create_connection(server.server_address[:2], timeout=15) as client:
        client.sendall(b"POST /page HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                client.sendall(b"x" * 65536)
                assert ask(server)[0] == 200


@pytest.mark.parametrize("beginning", [b"GET /", b"GET /page HTTP/1.1\r\nX: "])
def test_client_that_sends_slowly_is_left(monkeypatch, beginning):
    """The time is that of the whole request: a byte now and then does not prolong it."""
    monkeypatch.setattr(server_module, "_SECONDS", 0.5)
    with serving(ROUTES) as server, socket.create_connection(server.server_address[:2]) as client:
        client.sendall(beginning)
        client.settimeout(0.05)
        for _ in range(200):
            try:
                assert client.recv(100) == b""
                break
            except TimeoutError:
                client.sendall(b"x")
            except ConnectionError:
                break
        else:
            pytest.fail("the client still is listened to")


@pytest.mark.parametrize(("target", "answer"), [("/page", b"<p>hello"), ("/nothing", b"There is only ")])
def test_request_without_a_version_has_no_headers(server, target, answer):
    """It is answered at once, as in HTTP/0.9: with the body."""
    with socket.create_connection(server.server_address[:2], timeout=15) as client:
        client.sendall(f"GET {target}\r\n".encode())
        assert b"".join(iter(lambda: client.recv(65536), b"")).startswith(answer)


def test_cookies_may_be_in_several_headers():
    """A proxy from HTTP/2 sends each by itself."""
    routes = {"/page": lambda request: Document("text/plain", repr(sorted(request.cookies.items())).encode())}
    with serving(routes) as server:
        _, _, body = ask_raw(server, "GET /page HTTP/1.1", "Host: localhost", "Cookie: a=1; b=2", "Cookie: c=3")
    assert body == b"[('a', '1'), ('b', '2'), ('c', '3')]"


def test_address_beyond_this_machine_is_answered_by_addresses():
    """And by no name: an address cannot be led elsewhere."""
    with serving(ROUTES, host="0.0.0.0", error_page=error_page) as server:
        assert not server.is_local
        assert ask(server, Host="10.0.0.1:9464")[0] == 200
        assert ask(server, Host="localhost")[0] == 200
        assert ask(server, Host="evil.example")[0] == 403


def test_name_that_the_user_gave_is_answered():
    with serving(ROUTES, host=socket.gethostname(), error_page=error_page) as server:
        assert ask(server, Host=f"{socket.gethostname().upper()}:1")[0] == 200


@pytest.mark.parametrize(
    ("fault", "status", "line"),
    [
        ("no-database", 503, "there is no database"),
        ("invalid", 400, "Invalid <b>"),
        ("unknown", 404, "Unknown execution"),
        (
            "damaged",
            503,
            "It cannot be answered. Where the database has invalid values, learning-instrument doctor names them.",
        ),
    ],
)
def test_error_is_one_line_and_a_page_for_browsers(server, fault, status, line):
    """Of a database, a question, an execution, a value. The server goes on."""
    for accepted in ("", "*/*", "application/json"):
        answer = ask(server, f"/fails/{fault}", Accept=accepted)
        assert (answer[0], answer[2]) == (status, f"{line}\n".encode())

    answer = ask(server, f"/fails/{fault}", Accept="text/html,*/*;q=0.8")
    assert (answer[0], answer[1]["Content-Type"]) == (status, "text/html")
    assert answer[2].endswith(html.escape(line.replace("no database", "no\ndatabase")).encode())


LONG = "x" * 7000


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/page?a=%00", 400),
        ("/fails/%00", 400),
        ("/page?a=%", 400),
        ("/page?a=%zz", 400),
        ("/page%2", 400),
        ("/page?a=%FF", 400),
        ("/page?a=%ED%A0%80", 400),
        ("/fails/%C3", 400),
        ("/page?a=\u00fc", 400),
        ("/page?a=\0", 400),
        ("/page?" + "&".join(["a=1"] * 101), 400),
        ("/page?" + "&".join(["a"] * 10_000), 414),
        ("/page?" + "&" * 3000, 400),
        (f"/page?a={LONG}", 200),
        (f"/page?a={LONG}{LONG}", 414),
        (f"/{LONG}", 404),
        (f"/page?a={LONG * 10}", 414),
        (f"/{'../' * 2000}etc/passwd", 404),
        ("/page?__proto__=1&a[b]=<script>&a=%0d%0aSet-Cookie:x", 200),
        ("/page /other", 400),
        ("/page\x0bx", 400),
    ],
)
def test_hostile_target_is_refused_in_one_line(server, capfd, target, status):
    """In no more time than others, and without a word on standard error."""
    answered, head, body = ask_raw(server, f"GET {target} HTTP/1.1", "Host: localhost")

    assert answered == status
    assert status == 200 or (body.count(b"\n") == 1 and len(body) < 200), body
    assert b"\nset-cookie" not in head.lower()
    assert capfd.readouterr() == ("", "")


@given(st.binary(max_size=60))
def test_any_bytes_are_answered_without_a_fault(server, some):
    """As a target, and as headers."""
    lines = (b"GET /" + some + b" HTTP/1.1\r\nHost: localhost\r\n", b"GET /page HTTP/1.1\r\nHost: localhost\r\n" + some)
    for line in lines:
        with socket.create_connection(server.server_address[:2], timeout=15) as client:
            client.sendall(line + b"\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert not answer.startswith((b"HTTP/1.0 500", b"HTTP/1.0 503"))
        assert b"Traceback" not in answer


def test_requests_beyond_the_threads_wait_or_are_dropped(monkeypatch):
    """Clients that hold all threads keep others out only as long as they stay."""
    monkeypatch.setattr(server_module, "_MOST_AT_ONCE", 2)
    monkeypatch.setattr(server_module, "_WAIT_SECONDS", 0.2)
    with serving(ROUTES, error_page=error_page) as server, contextlib.ExitStack() as silent:
        for _ in range(2):
            silent.enter_context(socket.create_connection(server.server_address[:2]))
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(server)
        silent.close()
        assert ask(server)[0] == 200


def test_admission_is_asked_before_a_route(server, monkeypatch):
    """After the host and the method: nothing else is told to those who are not admitted."""
    monkeypatch.setattr(server, "admission", lambda request: server_module.one_line_of("no", 401))

    assert [ask(server, path)[::2] for path in ("/page", "/nothing", "/fails/invalid")] == [(401, b"no\n")] * 3
    assert ask(server, Host="evil.example")[0] == 403
    assert ask(server, method="POST")[0] == 405


def test_client_that_goes_away_says_nothing(server, capfd):
    """No traceback on standard error; others are answered meanwhile."""
    address = server.server_address
    with socket.create_connection(address) as silent, socket.create_connection(address) as rude:
        rude.sendall(b"GET /page HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n")
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert ask(server)[0] == 200
        assert silent.fileno() > 0
    with socket.create_connection(address) as garbage:
        garbage.sendall(b"\xff\xfe\r\n\r\n")
        garbage.recv(1000)

    assert ask(server)[0] == 200
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", "no.such.name.invalid", "..", "a" * 64])
def test_place_where_it_cannot_listen_is_an_error(server, host):
    """In use, not of this machine, unknown, no name at all."""
    with pytest.raises(ConfigurationError, match=r"Cannot listen at http://.*: .* Choose another"):
        DocumentServer(host, server.server_address[1], ROUTES)
