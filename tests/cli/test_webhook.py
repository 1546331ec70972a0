"""Webhooks, received by a real server."""

import base64
import io
import socket
import sys
import time

import pytest
from receiver import receiving

from learning_instrument.cli.webhook import Webhook
from learning_instrument.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_document_is_posted_as_json():
    """To the whole URL, as it is."""
    with receiving() as server:
        assert Webhook(server.url).tell(b'{"text": "x"}') is None

        ((status, document, headers),) = server.requests
    assert (status, document, headers["Content-Type"]) == (200, {"text": "x"}, "application/json")


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_status_that_is_no_success_is_a_failure(status):
    """Without a word of the URL beyond its host."""
    with receiving(status) as server:
        reason = Webhook(server.url).tell(b"{}")

        assert reason == f"http://127.0.0.1:{server.server_port} failed: status {status}."


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(status):
    """It would lose the document, or give it to another."""
    with receiving(status) as server:
        reason = Webhook(server.url).tell(b"{}")

        assert "a redirect, which is not followed" in reason
        assert len(server.requests) == 1


def test_silent_receiver_is_a_failure():
    """After the time it has."""
    with receiving(lambda handler: time.sleep(1)) as server:
        reason = Webhook(server.url, timeout=0.1).tell(b"{}")

    assert reason == f"http://127.0.0.1:{server.server_port} failed: TimeoutError."


def test_receiver_that_answers_nonsense_is_a_failure():
    """Which its message does not repeat."""
    with receiving(lambda handler: handler.wfile.write(b"\x1b[31m secret\r\n\r\n")) as server:
        reason = Webhook(server.url).tell(b"{}")

    assert reason == f"http://127.0.0.1:{server.server_port} failed: BadStatusLine."


def test_missing_receiver_is_a_failure():
    """In the words of the system."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/secret"

    assert Webhook(url).tell(b"{}") == f"{url.removesuffix('/secret')} failed: Connection refused."


def test_user_and_password_are_a_header():
    """And in no message."""
    with receiving(200, 500) as server:
        hook = Webhook(server.url.replace("http://", "http://us%40er:pass%3Aword@"))
        assert hook.tell(b"{}") is None
        reason = hook.tell(b"{}")
        (_, _, headers), _ = server.requests

    assert headers["Authorization"] == f"Basic {base64.b64encode(b'us@er:pass:word').decode()}"
    assert "us" not in reason.partition("failed")[0]
    assert "@" not in reason


def test_url_is_read_from_standard_input(monkeypatch):
    """Where it stands in no list of processes."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("https://hooks.example/secret\nrest"))

    assert (hook := Webhook("-")).name == "https://hooks.example"
    assert hook.identity == "https://hooks.example/secret"


@pytest.mark.parametrize(
    "url",
    ["", "hooks.example/secret", "file:///etc/secret", "ftp://x/secret", "http:///secret", "http://x:secret/",
     "http://x:99999/secret", "http://[x/secret", "http://x/se cret", "http://x/\r\nsecret", "http://h\u00f6st/secret"],
)  # fmt: skip
def test_what_is_no_url_is_refused_and_not_shown(url):
    """It may be a secret with a typing error."""
    with pytest.raises(ConfigurationError, match="Invalid --webhook") as error:
        Webhook(url)

    assert "secret" not in str(error.value).replace("a secret", "")


def test_proxy_of_the_environment_is_asked(monkeypatch):
    """As by every program that uses urllib."""
    with receiving() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
        monkeypatch.delenv("no_proxy", raising=False)

        assert Webhook("http://hooks.example/secret").tell(b"{}") is None
        ((_, _, headers),) = proxy.requests
    assert headers["Host"] == "hooks.example"
