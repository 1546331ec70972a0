"""Names that say that their value is a secret, and the values that can be one."""

import functools
import re
from enum import IntEnum
from typing import Final


class Name(IntEnum):
    """What a name says of its value."""

    #: Nothing.
    OTHER = 0
    #: It is a secret if it looks random.
    HINT = 1
    #: It is a secret, unless it is a word.
    SECRET = 2
    #: It is a secret, and may be a word.
    PASSWORD = 3


_CAMEL_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PASSWORD: Final = re.compile(r"(?:password|passwd|passphrase|passcode|pwd|(?<!by)pass|passw)(?:_?\d{1,3})?$")
#: Before ``key``; with or without a separator.
_OF_KEYS: Final = (
    "access|account|admin|aes|anon|api|app|application|auth|authentication|backup|client|consumer|customer|data|decryption"
    "|deploy|encrypt|encryption|function|functions|gateway|hmac|host|ingest|ingestion|instance|integration|jwt|license"
    "|live|management|master|merchant|model|pre_?shared|private|project|query|recovery|restricted|role|root|routing"
    "|rsa|sas|sdk|secret|secure|security|server|service|session|shared|sharedaccess|shared_access|sign|signing|ssh"
    "|ssl|storage|subscription|tls|user|vault|wallet|webhook|write"
)
_SECRET: Final = re.compile(
    r"(?:^|_)(?:"
    rf"(?:[a-z0-9]+_)?(?:{_OF_KEYS})_?key(?:_?\d{{1,2}})?|access_?key_?id|(?:client|tls|private)_?key_data|secret_key_base"
    r"|[a-z0-9]*(?:secret|apikey|apitoken|authtoken|accesstoken|refreshtoken|bearertoken|secrettoken)s?(?:_?\d{1,2})?"
    r"|token(?:_?\d{1,2})?|jwt|authorization|cookie|credentials?|creds|mnemonic|seed_phrase|psk|bearer|authkey|licensekey"
    r"|connection_?string|secret_(?:value|text|string)|token_(?:value|secret)|webhook_url"
    r")$"
)
#: The words before ``token`` of tokens that are no secret: parts of lists and texts.
_OTHER_TOKEN: Final = re.compile(
    r"(?:^|_)(?:page|next|continuation|sync|pad|padding|eos|bos|unk|mask|cls|sep|stop|special|start|end|first|last|current"
    r"|previous|each|unexpected|invalid|expected|no|per(?:_[a-z]{1,20}){0,3})_token$"
)
_HINT: Final = re.compile(
    r"(?:^|_)(?:auth|sig|signature|pat|session|session_?id|sessid|sid|otp|totp|pin|license|dsn|salt|nonce|hmac|bot|passkey"
    r"|x_amz_credential|awsaccesskeyid|code_verifier|client_assertion|secret_?id|csrf|xsrf|auth_?code|refresh)$"
)
_OTHER_KEY: Final = re.compile(
    r"(?:^|_)(?:primary|foreign|public|publishable|pub|sort|cache|partition|index|idx|hot|row|group|object|lookup|idempotency"
    r"|dict|map|natural|unique|search|order|range|hash|shift|ctrl|control|alt|meta|arrow|enter|return|tab|function|translation"
    r"|i18n|registry|hkey|item|field|column|sequence|composite|candidate|join|message|dedup|s3|bucket|config|metadata|env)_key$"
)
_PARAMETER: Final = frozenset(
    {
        "key",
        "code",
        "s",
        "st",
        "h",
        "hash",
        "t",
        "id_token_hint",
        "assertion",
        "saml_response",
        "samlresponse",
        "ticket",
    }
)
_LONGEST_NAME: Final = 100


@functools.lru_cache(maxsize=4096)
def kind_of(name: str, *, in_url: bool = False) -> Name:
    """Return what *name* says of its value: the key of a mapping, a variable, an option, a header.

    Args:
        name: the name, in any spelling.
        in_url: whether it is a parameter in a URL, where names are short.
    """
    if len(name) > _LONGEST_NAME:
        return Name.OTHER
    plain = _CAMEL_HUMP.sub("_", name.strip(" -_.:/$")).lower()
    plain = re.sub(r"[^a-z0-9]+", "_", plain)
    if _PASSWORD.search(plain):
        return Name.HINT if plain in ("pass", "bypass", "compass", "first_pass", "by_pass") else Name.PASSWORD
    if _SECRET.search(plain):
        return Name.OTHER if _OTHER_TOKEN.search(plain) else Name.SECRET
    if _HINT.search(plain) or (in_url and plain in _PARAMETER):
        return Name.HINT
    is_a_key = plain.endswith(("_key", "_keys", "_token")) and not _OTHER_KEY.search(plain)
    return Name.HINT if is_a_key and not _OTHER_TOKEN.search(plain) else Name.OTHER


def names_a_secret(name: str) -> bool:
    """Tell whether the value under *name*, a key of a mapping, is a secret in any form."""
    return kind_of(name) >= Name.SECRET


# Values.

#: What stands for a value: a variable, a template, a mask.
_REFERENCE: Final = re.compile(
    r"[$<{%*]|\[redacted\]|\.\.\.|(?:xxx+|none|null|nil|true|false|undefined|nan|os\.|env\.|process\.|self\.|cls\.|vault:)"
    r"(?![a-z0-9])|[a-z_][\w.]*[(\[]",
    re.I,
)
_WORDS: Final = """
    absent accepted argument bool boolean bytes callable cannot changed configured correct default denied deprecated
    dict disabled does empty enabled ends expected expired failed field flag float found from given hidden ignored
    incorrect invalid list login malformed masked mismatch missing must needed never number object offset only
    option optional parameter password provided query rejected removed required reset retrieved revoked rotated
    secret secretstr sent should stale stored str string text that this token type unauthorized unknown unset
    updated user valid value when which will with without wrong your"""
_WORDS_OF_STATE: Final = frozenset(_WORDS.split())
_VARIABLE: Final = re.compile(r"[A-Za-z_]\w*_\w*|[a-z]+")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_]+(?:\.[A-Za-z_]\w*)*")
#: A word in capitals, or the name of a type.
_TYPE: Final = re.compile(r"[A-Z]?[a-z]+(?:[A-Z][a-z]{2,})+|[A-Z][a-z]+|[A-Z]{2,12}")
_PATH: Final = re.compile(
    r"(?:~|\.{1,2})?/(?:[\w.@-]+/)*[\w.@-]*\.\w{1,8}$|(?:~|\.{1,2}|/(?:etc|home|usr|var|run|opt|tmp|root|Users|mnt))/"
)
_HOST: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.I)
_DIGIT: Final = re.compile(r"\d")
_LETTER: Final = re.compile(r"[A-Za-z]")
_SHORT_NUMBER: Final = re.compile(r"[-+]?\d{1,7}(?:\.\d*)?(?:e[-+]?\d{1,3}|[a-z%]{0,2})", re.I)


def is_mixed(text: str) -> bool:
    """Tell whether capitals, small letters and digits occur in *text*."""
    return _DIGIT.search(text) is not None and text.upper() != text and text.lower() != text


def is_random(text: str) -> bool:
    """Tell whether *text* is no sequence of words: it has a digit, capitals among small letters, or a long run."""
    if _DIGIT.search(text):
        return True
    return (text.lower() != text and text.upper() != text and not text.istitle()) or max(
        map(len, re.split("[-_.]", text))
    ) >= 20


def can_be_secret(kind: Name, value: str, *, is_quoted: bool, is_prose: bool = False) -> bool:
    """Tell whether *value*, under a name of this kind, is a secret.

    Args:
        kind: what its name says.
        value: the value, without quotes.
        is_quoted: whether it was quoted: then it may have blanks.
        is_prose: whether other words surround it: then a word is a word.
    """
    if kind is Name.OTHER or value.endswith(("...", "…")) or _REFERENCE.match(value) or _SHORT_NUMBER.fullmatch(value):
        return False
    if not _LETTER.search(value) and not _DIGIT.search(value):
        return False
    if _HOST.match(value) or (_VARIABLE.fullmatch(value) and kind_of(value) >= Name.SECRET):
        return False  # a secret within it has its own rule, and a variable is none
    has_digit = _DIGIT.search(value) is not None
    if kind is Name.PASSWORD:
        if value.lower().strip(".,!?") in _WORDS_OF_STATE or (not is_quoted and len(value) < 4):
            return False
        return is_quoted or has_digit or not (is_prose or _is_code(value))
    if any(map(str.isspace, value)) or _PATH.match(value):
        return False
    if kind is Name.SECRET:
        if has_digit:
            return len(value) >= 6 and (_LETTER.search(value) is not None or len(value) >= 8)
        if _is_code(value) or is_prose or value.lower() in _WORDS_OF_STATE:
            return False
        return len(value) >= 16 or (len(value) >= 6 and (is_quoted or is_random(value)))
    if len(value) < 12 or not _LETTER.search(value):
        return False
    longest = max(map(len, re.split(r"[^A-Za-z0-9+/=%]+", value)))
    return longest >= 12 and (has_digit or (is_random(value) and not is_prose and not _is_code(value)))


def _is_code(value: str) -> bool:
    """Tell whether *value* looks like the name of a variable, of an attribute or of a type."""
    return _IDENTIFIER.fullmatch(value) is not None and (
        "." in value or "_" in value or kind_of(value) is not Name.OTHER or _TYPE.fullmatch(value) is not None
    )
