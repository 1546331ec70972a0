"""Who is admitted: asked over the socket of a server whose one route says that it was reached."""

import os

import pytest

from learning_instrument.dashboard.serving.access import Access, kept_token, new_token
from learning_instrument.dashboard.serving.server import Document
from learning_instrument.errors import ConfigurationError

from .serving import ask, serving

TOKEN = "the-token_of.these~tests-0123456789"
ROUTES = {"/page": lambda request: Document("text/plain", b"reached")}


@pytest.fixture(scope="module")
def server():
    with serving(ROUTES, Access(TOKEN)) as server:
        yield server


def cookie(server, token=TOKEN):
    return f"learning_instrument_{server.server_address[1]}={token}"


@pytest.mark.parametrize("path", ["/page", "/nothing", "/page?token=", "/page?token=x", f"/page?token={TOKEN}x"])
def test_reader_without_the_token_gets_nothing(server, path):
    """But one line that says how; no route, no cookie, no other place."""
    status, headers, body = ask(server, path, Accept="text/html")

    assert (status, headers["WWW-Authenticate"], headers["Set-Cookie"], headers["Location"]) == (
        401,
        "Bearer",
        None,
        None,
    )
    assert body == (
        b"A token is needed: open the address that learning-instrument serve printed, or send the header"
        b" Authorization: Bearer TOKEN.\n"
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "learning_instrument_1=TOKEN"},
        {"Cookie": "learning_instrument=TOKEN"},
        {"Cookie": "COOKIEx"},
        {"Cookie": "=TOKEN; TOKEN; \u00fc=\u00fc; ;;="},
        {"Authorization": "TOKEN"},
        {"Authorization": "Basic TOKEN"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer \u00fc"},
        {"Authorization": "Bearer TOKEN TOKEN"},
        {"X-Token": "TOKEN"},
    ],
)
def test_token_in_another_place_is_none(server, headers):
    """Of another server, of another scheme, or beside more."""
    given = {
        name: value.replace("TOKEN", TOKEN).replace("COOKIE", cookie(server)).encode("latin-1")
        for name, value in headers.items()
    }

    assert ask(server, **given)[0] == 401


def test_bearer_and_cookie_are_admitted(server):
    """Among other cookies, and however the scheme is written."""
    for headers in (
        {"Authorization": f"Bearer {TOKEN}"},
        {"Authorization": f"bearer  {TOKEN}"},
        {"Cookie": cookie(server)},
        {"Cookie": f"a=b; {cookie(server)}; learning_instrument_1=x"},
    ):
        assert ask(server, **headers)[::2] == (200, b"reached")


def test_token_in_the_address_becomes_a_cookie(server):
    """And leaves the address, in which the other parameters stay; scripts and other sites do not get the cookie."""
    status, headers, _ = ask(server, f"/page?a=%C3%BC&token={TOKEN}&b=1&a=2%263")

    assert (status, headers["Location"]) == (303, "/page?a=%C3%BC&a=2%263&b=1")
    assert headers["Set-Cookie"] == f"{cookie(server)}; HttpOnly; SameSite=Strict; Path=/"
    assert ask(server, headers["Location"], Cookie=headers["Set-Cookie"].partition(";")[0])[0] == 200


def test_old_token_in_a_kept_address_is_no_harm(server):
    """Where the browser has the cookie; it goes out of the address, and the cookie stays."""
    status, headers, _ = ask(server, "/page?token=old", Cookie=cookie(server))

    assert (status, headers["Location"], headers["Set-Cookie"]) == (303, "/page", None)


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "/\\/evil.example", "//\\evil.example"])
def test_token_leads_to_no_other_host(server, path):
    """Whatever the address is."""
    location = ask(server, f"{path}?token={TOKEN}")[1]["Location"]

    assert location.startswith("/evil.example")


def test_without_a_token_all_are_admitted():
    with serving(ROUTES, Access(None)) as server:
        assert ask(server)[::2] == (200, b"reached")


def test_tokens_are_long_and_never_the_same():
    """And stand in an address as they are."""
    tokens = {new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(len(token) == 43 and token.replace("-", "").replace("_", "").isalnum() for token in tokens)


def test_token_is_kept_in_a_file_of_its_owner(tmp_path):
    """Made once, whatever the umask of the process is."""
    path = tmp_path / "token"
    before = os.umask(0)
    try:
        token = kept_token(str(path))
    finally:
        os.umask(before)

    assert kept_token(str(path)) == token == path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600


def test_token_of_ones_own_is_taken(tmp_path):
    """With or without the end of a line; a group may read it, of which Prometheus is one."""
    path = tmp_path / "token"
    path.write_text(" an-own_token.of~17 \n")
    path.chmod(0o640)

    assert kept_token(str(path)) == "an-own_token.of~17"


@pytest.mark.parametrize("text", ["", "\n", "too-short", "with a blank in it", "k\u00fc" * 20, "x" * 1001, "a\nb" * 20])
def test_invalid_token_is_an_error(tmp_path, text):
    """That names the file, and not what is in it."""
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(ConfigurationError, match=r"Invalid token in .*token: expected 16 or more") as raised:
        kept_token(str(path))
    assert len(str(raised.value)) < 200 + len(str(path))


def test_token_that_all_can_read_is_an_error(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0o644)

    with pytest.raises(ConfigurationError, match=r"Every user can read the token in .*; chmod o-rwx"):
        kept_token(str(path))


def test_file_that_cannot_be_used_is_an_error(tmp_path):
    """A folder, and one in a folder that is missing."""
    with pytest.raises(ConfigurationError, match=r"Cannot read .*: Is a directory"):
        kept_token(str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"Cannot write .*: No such file"):
        kept_token(str(tmp_path / "none" / "token"))
