"""Who may read what is served: those with a token, which is made at the start, or kept in a file."""

import hmac
import os
import re
import secrets
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from ...errors import ConfigurationError
from .server import Document, Request, one_line_of

#: Of the token in an address, and of the cookie; its name ends with the port, for browsers tell hosts apart, not ports.
_PARAMETER: Final = "token"
_COOKIE: Final = "learning_instrument_"
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~-]{16,1000}")
_BYTES: Final = 32
#: Permissions of others than the owner and the group.
_OTHERS: Final = 0o007


class Access:
    """Admits requests with the token: as a bearer, in the cookie, or in the address, which then sets the cookie.

    Args:
        token: the token; None admits all requests.
    """

    def __init__(self, token: str | None) -> None:
        self._token = None if token is None else token.encode()

    def __call__(self, request: Request) -> Document | None:
        """Return what a request is answered with in place of its route; None: by its route."""
        if self._token is None:
            return None
        name = f"{_COOKIE}{request.port}"
        scheme, _, bearer = request.authorization.partition(" ")
        given = request.query.get(_PARAMETER, ("",))[-1]
        has_given = self._is_token(given)
        is_admitted = (
            has_given
            or self._is_token(request.cookies.get(name, ""))
            or (scheme.lower() == "bearer" and self._is_token(bearer.strip()))
        )
        if not is_admitted:
            why = (
                "A token is needed: open the address that learning-instrument serve printed, or send the header"
                " Authorization: Bearer TOKEN."
            )
            return one_line_of(why, HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": "Bearer"})
        if _PARAMETER not in request.query:
            return None
        # Out of the address: that is kept, shown and shared.
        rest = [(key, value) for key, values in request.query.items() if key != _PARAMETER for value in values]
        place = "/" + request.path.lstrip("/\\")  # never another host
        headers = {"Location": f"{place}?{urlencode(rest)}" if rest else place}
        if has_given:
            headers["Set-Cookie"] = f"{name}={given}; HttpOnly; SameSite=Strict; Path=/"
        return one_line_of("See there.", HTTPStatus.SEE_OTHER, headers)

    def _is_token(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode(), self._token)


def new_token() -> str:
    """Return a token that cannot be guessed."""
    return secrets.token_urlsafe(_BYTES)


def kept_token(path: str) -> str:
    """Return the token in the file at *path*; made, readable by its owner only, where there is none.

    Raises:
        ConfigurationError: if the file can be read by everybody or cannot be read at all, or has no token.
    """
    token = new_token()
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{token}\n")
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise ConfigurationError(f"Cannot write {path}: {error.strerror}.") from error
    return token


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                raise ConfigurationError(f"Every user can read the token in {path}; chmod o-rwx takes that away.")
            token = file.read(2000).decode("ascii", "replace").strip()
    except OSError as error:
        raise ConfigurationError(f"Cannot read {path}: {error.strerror}.") from error
    if not _TOKEN.fullmatch(token):
        raise ConfigurationError(
            f"Invalid token in {path}: expected 16 or more letters, digits and . _ ~ -; delete the file, and one is"
            " made."
        )
    return token
