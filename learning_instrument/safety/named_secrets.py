"""Removes secrets that their surroundings name: assignments, headers, URLs, options of commands, cookies."""

import re
from collections.abc import Callable
from typing import Final

from .secret_names import Name, can_be_secret, is_random, kind_of

MARKER: Final = "[redacted]"

#: The part of a value that is judged, in characters.
_JUDGED: Final = 128
#: Of one quoted value, in characters.
_LONGEST: Final = 1024
#: The ends of names that :func:`kind_of` knows, in small letters.
_NAMES: Final = """
    key keys password passwd passphrase passcode pwd pass secret secrets token tokens authorization cookie
    credential credentials creds auth sig signature session sid jwt psk mnemonic bearer dsn salt nonce otp pin
    license pat bot csrf xsrf key_id keyid key-id data base string webhook_url webhookurl phrase code hash ticket
    hmac refresh assertion verifier session_id sessionid sessid secret_id secretid secret-id text value"""
_ENDINGS: Final = tuple(_NAMES.split())
_OPTIONS: Final = ("-u", "-p", "-a", "-P", "-U")
_AROUND_NAMES: Final = " \t\"'\\`0123456789_-"

_NAME: Final = re.compile(
    r"(?<![A-Za-z0-9_.\-])([A-Za-z0-9_.\-]{1,100})(?:\\{0,3}[\"'`])?"
    r"(\s{0,8}(?:=>|:=|\|\||[=:])[=>]?\s{0,8}|\s{1,3}(?:is|was)\s{1,3}|>)"
)
_QUOTED: Final = re.compile(
    rf"(?:[rbuf]{{0,2}})(\\{{0,3}})([\"'`])(?:(?!\1\2)[^\n]){{0,{_LONGEST}}}?(?=\1\2)|\\{{0,3}}[\"']([^\"'\n]{{1,{_LONGEST}}})",
    re.I,
)
_UNQUOTED: Final = re.compile(rf"[^\s\"'`,;)}}\]<>\\]{{1,{_JUDGED}}}")
_REST: Final = re.compile(r"[^\s\"'`,;)}\]<>\\]*")
_IN_URL: Final = re.compile(rf"[^\s\"'`,;)}}\]<>\\&#]{{1,{_JUDGED}}}")
_REST_IN_URL: Final = re.compile(r"[^\s\"'`,;)}\]<>\\&#]*")
_KEY_OF: Final = re.compile(
    r"(?:api|access|secret|private|auth|client|master|encryption|account|license|licence|signing|session|security|shared|admin"
    r"|service|subscription|recovery|deploy|ssh|storage|bearer|bot)\s\Z",
    re.I,
)
_MORE_WORDS: Final = re.compile(r"[.,]?[ \t]+[a-z]{2,}", re.I)

_SCHEME: Final = re.compile(
    r"\b(bearer|basic|token|apikey|api-key|ssws|genie-?key|key|negotiate|ntlm|bot|splunk|pve\w{2,8}token|digest|hawk|hmac\S{0,12}"
    r"|aws4-hmac-sha256|sharedaccesssignature|sharedkey(?:lite)?|flyv1|githubtoken|snyk|oauth)"
    r"(?:\s{1,4}|=)(?=[^\s\"',;]{0,512}[0-9._~+/=\-])([A-Za-z0-9._~+/=\-%:$|!]{12,4096})",
    re.I,
)
_AUTHORIZATION: Final = re.compile(
    r"((?:proxy-)?authorization\\{0,3}[\"']?\s{0,8}[:=,]\s{0,8}\\{0,3}[\"']?)"
    r"((?:[A-Za-z0-9-]{2,30}\s{1,4})?)(?=[^\s\"']{0,512}[0-9=])([^\s\"'\\,;]{6,4096}(?:,?\s{1,4}[A-Za-z]{1,40}=[^\s,]{1,1024}){0,16})",
    re.I,
)
_SIGNED: Final = re.compile(
    r"((?:proxy-)?authorization\\{0,3}[\"']?\s{0,8}[:=]\s{0,8}\\{0,3}[\"']?(?:digest|hawk|oauth|signature|aws4-hmac-\w{1,16}))"
    r"\s[^\r\n]{8,4096}",
    re.I,
)
_COOKIE: Final = re.compile(
    r"\b((?:set-)?cookie\\{0,3}[\"']?\s{0,8}[:=,]\s{0,8}\\{0,3}[\"']?)([^\s=;,\"'\\]{1,128}=[^\r\n\"'\\]{1,4096})", re.I
)
_USER_AND_PASSWORD: Final = re.compile(r"(?<=://)([^\s/?#:@]{0,256}):([^\s/?#]{0,512})@")
_USER: Final = re.compile(r"(?<=://)([^\s/?#:@]{5,512})@")
_OPTION: Final = re.compile(r"(?<![\w-])--?([A-Za-z][\w-]{1,60})[ \t]{1,8}(?!--?[A-Za-z][\w-]{0,30}(?:[\s=]|\Z))")
_OPTION_OF: Final = re.compile(
    r"\b((?:sshpass|mysql\w{0,8}|mariadb\w{0,8}|(?:docker|podman|helm|az|oc|nerdctl)\s(?:registry\s)?login|redis-cli|7z|zip|unzip|smbclient)"
    r"\b[^\n|;&]{0,200}?\s-(?:p|a|P))([ \t=]?)(?=[^\s\"']{0,64}[A-Za-z0-9])(?![ \t]*-)([\"']?)([^\s\"']{3,256})"
)
_CURL: Final = re.compile(
    r"((?:^|\s)(?:-u|--user|--proxy-user|-U)[ \t=]{0,4}[\"']?[^\s:\"'/]{0,128}:)([^\s\"']{1,256})"
)
_NETRC: Final = re.compile(r"(\blogin\s{1,8}\S{1,256}\s{1,8}password\s{1,8})(\S{1,256})")
_SQL: Final = re.compile(r"((?:identified\s+by|password)\s{1,4}(?:AS\s)?')([^'\n]{1,256})(?=')", re.I)
_PAIR: Final = re.compile(
    r"(?:name|key)[\"']?\s{0,4}[:=]\s{0,4}[\"']?([A-Za-z0-9_.\-]{2,100})[\"']?[,;]?\s{1,40}[\"']?value[\"']?\s{0,4}[:=]\s{0,4}"
)


def names_any(text: str) -> bool:
    """Tell, in less than a microsecond for prose, whether *text* may hold a secret that its surroundings name."""
    for separator in "=:>":
        at = text.find(separator)
        while at > 0:
            if text[max(0, at - 40) : at].rstrip(_AROUND_NAMES).lower().endswith(_ENDINGS):
                return True
            at = text.find(separator, at + 1)
    if "-" in text:
        at = text.find("-") if text[0] == "-" else text.find(" -")
        while at >= 0:
            option = text[at : at + 64].lstrip().partition(" ")[0]
            if option.startswith(_OPTIONS) or option.rstrip(_AROUND_NAMES).lower().endswith(_ENDINGS):
                return True
            at = text.find(" -", at + 1)
    return ("@" in text and "://" in text) or "assword" in text or "DENTIFIED BY" in text


def without_named(text: str) -> str:
    """Return *text* with the secrets replaced that their surroundings name."""
    if "://" in text and "@" in text:
        text = _USER.sub(_without_user, _USER_AND_PASSWORD.sub(_without_password, text))
    lower = text.lower()
    text = _without_headers(text, lower)
    text = _replaced(text, _NAME, _value_of_name)
    if "value" in lower:
        text = _replaced(text, _PAIR, _value_of_pair)
    if " -" in text or text[:1] == "-":
        text = _replaced(text, _OPTION, _value_of_option)
        text = _OPTION_OF.sub(rf"\1\2\3{MARKER}", text)
        text = _CURL.sub(_without_login, text)
    if "login" in lower:
        text = _NETRC.sub(rf"\1{MARKER}", text)
    if "'" in text:
        text = _SQL.sub(rf"\1{MARKER}", text)
    return text


def without_credentials(text: str) -> str:
    """Return *text* without what follows ``Bearer`` and the names of other schemes."""
    return _SCHEME.sub(_without_credentials, text)


def _without_headers(text: str, lower: str) -> str:
    if "authorization" in lower:
        text = _SIGNED.sub(rf"\1 {MARKER}", text)
        text = _AUTHORIZATION.sub(lambda match: f"{match[1]}{match[2]}{MARKER}", text)
    if "cookie" in lower:
        text = _COOKIE.sub(rf"\1{MARKER}", text)
    return without_credentials(text)


def _without_credentials(match: re.Match[str]) -> str:
    scheme, value = match[1], match[2]
    is_certain = scheme.lower() in ("bearer", "basic") and (is_random(value) or "=" in value)
    if value.startswith(("$", "%")) or not (is_certain or (any(map(str.isdigit, value)) and _has_run(value))):
        return match[0]
    return f"{match[0][: match.start(2) - match.start()]}{MARKER}"


def _has_run(value: str) -> bool:
    return max(map(len, re.split(r"[^A-Za-z0-9]", value))) >= 12


def _without_password(match: re.Match[str]) -> str:
    user = MARKER if _is_token(match[1]) else match[1]
    return f"{user}:{MARKER}@" if match[2] else f"{user}:@"


def _without_user(match: re.Match[str]) -> str:
    return f"{MARKER}@" if _is_token(match[1]) or match[1].isupper() else match[0]


def _is_token(user: str) -> bool:
    return (len(user) >= 20 and is_random(user)) or (
        len(user) >= 12 and any(map(str.isdigit, user)) and "." not in user
    )


def _without_login(match: re.Match[str]) -> str:
    before, password = match.string[max(0, match.start() - 300) : match.start()], match[2]
    is_client = any(name in before for name in ("curl", "wget", "http"))
    if not is_client and (not any(map(str.isdigit, password)) or not any(map(str.isalpha, password))):
        return match[0]  # such as docker's user and group
    return match[1] + MARKER


#: The bounds of the value that a match names, or None where it is no secret.
_Bounds = Callable[[re.Match[str]], "tuple[int, int] | None"]


def _replaced(text: str, pattern: re.Pattern[str], bounds: _Bounds) -> str:
    """Return *text* with the values replaced that matches of *pattern* name. The names within values are seen too."""
    parts: list[str] = []
    kept = at = 0
    while (match := pattern.search(text, at)) is not None:
        found = bounds(match)
        if found is None:
            at = match.end()
            continue
        start, at = found
        parts += (text[kept:start], MARKER)
        kept = at
    return "".join(parts) + text[kept:] if parts else text


def _value_of_name(match: re.Match[str]) -> tuple[int, int] | None:
    text, name, separator = match.string, match[1], match[2]
    before = text[match.start() - 1] if match.start() else ""
    in_url = before in ("?", "&")
    kind = kind_of(name, in_url=in_url)
    if kind is Name.OTHER:
        if name.lower() not in ("key", "keys") or not _KEY_OF.search(text, max(0, match.start() - 16), match.start()):
            return None
        kind = Name.SECRET
    word = separator.strip()
    if (word == ">" and before not in ("<", "/")) or (word == "==" and kind is not Name.PASSWORD):
        return None
    is_spoken = word in ("is", "was")
    if is_spoken:
        kind = min(kind, Name.SECRET)
    if (
        before == " "
        and separator != "="
        and kind is Name.SECRET
        and name.islower()
        and "_" not in name
        and not is_spoken
    ):
        is_prose = True  # "unexpected token: x"
    else:
        is_prose = is_spoken or separator[:1] == ":"
    if kind is Name.SECRET and separator == "=" and name.isupper():
        kind = Name.PASSWORD  # a variable of the environment
    return _bounds_of(text, match.end(), kind, in_url=in_url, is_prose=is_prose)


def _value_of_pair(match: re.Match[str]) -> tuple[int, int] | None:
    return _bounds_of(match.string, match.end(), kind_of(match[1]), in_url=False, is_prose=False)


def _value_of_option(match: re.Match[str]) -> tuple[int, int] | None:
    return _bounds_of(match.string, match.end(), kind_of(match[1]), in_url=False, is_prose=False)


def _bounds_of(text: str, at: int, kind: Name, *, in_url: bool, is_prose: bool) -> tuple[int, int] | None:
    """Return where the value at *at* begins and ends, if it is a secret."""
    quoted = _QUOTED.match(text, at)
    if quoted is not None:
        start = quoted.start(3) if quoted[3] is not None else quoted.end(2)
        value = text[start : min(quoted.end(), start + _JUDGED)]
        return (start, quoted.end()) if can_be_secret(kind, value, is_quoted=True) else None
    found = (_IN_URL if in_url else _UNQUOTED).match(text, at)
    if found is None:
        return None
    is_prose = is_prose and _MORE_WORDS.match(text, found.end()) is not None
    value = found[0].rstrip(".") if is_prose else found[0]
    if text[found.end() : found.end() + 1] == "]" and "[" in value:
        return None  # a type, or an item
    if not can_be_secret(kind, value, is_quoted=False, is_prose=is_prose):
        return None
    end = found.start() + len(value)
    rest = (_REST_IN_URL if in_url else _REST).match(text, end) if len(value) == _JUDGED else None
    return found.start(), end if rest is None else rest.end()
