"""The server of documents, asked over its socket."""

import contextlib
import http.client
import socket
import threading

import pytest

from learning_instrument.dashboard.server import Document, DocumentServer
from learning_instrument.errors import ConfigurationError, DatabaseError


def fail():
    raise DatabaseError("there is no database")


ROUTES = {"/page": lambda: Document("text/html", b"<p>hello"), "/fails": fail}


@contextlib.contextmanager
def serving(host="127.0.0.1"):
    with DocumentServer(host, 0, ROUTES) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server():
    with serving() as server:
        yield server


def ask(server, path="/page", method="GET", host=None, body=None):
    """Return status, headers and body of the answer."""
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=30)
    try:
        connection.request(method, path, body, {} if host is None else {"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


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
        assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
        assert "Python" not in headers["Server"]


def test_head_is_the_answer_without_its_body(server):
    status, headers, body = ask(server, method="HEAD")

    assert (status, headers["Content-Length"], body) == (200, "8", b"")


@pytest.mark.parametrize("path", ["/", "/page/", "/../page", "/metrics", "/%70age"])
def test_unknown_path_is_404(server, path):
    """With the paths that there are."""
    status, _, body = ask(server, path)

    assert (status, body) == (404, b"There is only /page, /fails.\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "ANY"])
def test_other_method_is_405(server, method):
    """With what it sends read first."""
    status, headers, body = ask(server, method=method, body=b"x" * 50_000)

    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert body == b"Only GET and HEAD.\n"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "localhost.:1", "127.0.0.1", "127.1.2.3:5", "[::1]:9"])
def test_names_of_this_machine_are_answered(server, host):
    assert ask(server, host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:9464", "127.0.0.1.evil.example", "10.0.0.1", ""]
)
def test_other_name_is_refused(server, host):
    """A page of the web could lead its name here, and read the answer."""
    status, _, body = ask(server, host=host)

    assert status == 403
    assert b"hello" not in body


def ask_raw(server, *lines):
    """Return the status of the answer to a request of these *lines*, which the server ends itself."""
    with socket.create_connection(server.server_address[:2], timeout=15) as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    return int(answer.split()[1])


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
    assert ask_raw(server, f"GET {target} HTTP/1.1", f"Host: {host}") == status


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
    assert ask_raw(server, f"GET /page {version}", *headers) == status


@pytest.mark.parametrize("length", ["999999999999", "9" * 5000, "-1", "0", "+5", "x", "1e3", "5, 6", "", "\u0665"])
def test_length_that_is_announced_is_not_waited_for(server, length):
    """Huge, no number, or never sent."""
    assert ask_raw(server, "GET /page HTTP/1.1", "Host: localhost", f"Content-Length: {length}") == 200
    assert ask_raw(server, "GET /page HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked", "") == 200


def test_client_that_sends_without_end_is_left(server):
    """Others are answered meanwhile."""
    with socket.create_connection(server.server_address[:2], timeout=15) as client:
        client.sendall(b"POST /page HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                client.sendall(b"x" * 65536)
                assert ask(server)[0] == 200


def test_address_beyond_this_machine_is_answered_by_addresses():
    """And by no name: an address cannot be led elsewhere."""
    with serving("0.0.0.0") as server:
        assert ask(server, host="10.0.0.1:9464")[0] == 200
        assert ask(server, host="localhost")[0] == 200
        assert ask(server, host="evil.example")[0] == 403


def test_name_that_the_user_gave_is_answered():
    with serving(socket.gethostname()) as server:
        assert ask(server, host=f"{socket.gethostname().upper()}:1")[0] == 200


def test_error_of_ours_is_503_in_one_line(server):
    """The server goes on."""
    status, _, body = ask(server, "/fails")

    assert (status, body) == (503, b"there is no database\n")
    assert ask(server)[0] == 200


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
