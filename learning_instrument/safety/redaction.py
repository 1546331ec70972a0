"""Removes secrets from text before it reaches a span.

Each pattern has a fixed part that its matches must contain. A rare character of the fixed part is searched first (ten
times cheaper), then the fixed part, so text without secrets costs a microsecond or two and runs no pattern.
"""

import re
from typing import Final, NamedTuple

MARKER: Final = "[redacted]"
#: The part of a text that is searched and kept. Redact before cutting: a cut could leave half a secret.
SEARCHED_CHARACTERS: Final = 4096
#: The longest text that a pattern must see completely: user and password of a URL, up to the @.
_LONGEST_SECRET: Final = 800
#: The length of the shortest match of any rule: ``pwd=abcd``.
SHORTEST_SECRET: Final = 8


class _Rule(NamedTuple):
    fixed_part: str
    pattern: re.Pattern[str]
    replacement: str = MARKER


def _starting_with(prefix: str, body: str) -> _Rule:
    return _Rule(prefix, re.compile(rf"(?<![A-Za-z0-9]){re.escape(prefix)}{body}"))


# A character of the fixed parts that is rare in prose -> the rules.
_EXACT: Final = {
    "-": (
        # The text may be cut before the end marker: everything from the start marker is removed.
        _Rule(
            "PRIVATE KEY-",
            re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,60}-----|\Z)", re.S),
        ),
        _starting_with("sk-", r"[A-Za-z0-9_\-]{16,}"),  # OpenAI, Anthropic and others
        _starting_with("glpat-", r"[A-Za-z0-9_\-]{16,}"),  # GitLab
        _Rule("xox", re.compile(r"(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9\-]{10,}")),  # Slack
        _starting_with("pypi-", r"[A-Za-z0-9_\-]{30,}"),
    ),
    "_": (
        _starting_with("sk_", r"(?:live|test)_[A-Za-z0-9]{10,}"),  # Stripe
        _starting_with("rk_", r"(?:live|test)_[A-Za-z0-9]{10,}"),
        _Rule("gh", re.compile(r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{20,}")),  # GitHub
        _starting_with("github_pat_", r"[A-Za-z0-9_]{20,}"),
        _starting_with("hf_", r"[A-Za-z0-9]{20,}"),  # Hugging Face
        _starting_with("npm_", r"[A-Za-z0-9]{30,}"),
    ),
    # The user may be empty, and the password may contain an @: it ends at the last one before the path.
    "/": (_Rule("://", re.compile(r"(?<=://)([^\s/?#:@]{0,256}):[^\s/?#]{1,512}@"), rf"\1:{MARKER}@"),),
    "K": (_starting_with("AKIA", r"[A-Z0-9]{16}(?![A-Z0-9])"),),  # AWS, and its temporary keys
    "S": (
        _starting_with("ASIA", r"[A-Z0-9]{16}(?![A-Z0-9])"),
        _starting_with("SG.", r"[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}"),  # SendGrid
    ),
    "I": (_starting_with("AIza", r"[A-Za-z0-9_\-]{30,}"),),  # Google
    "9": (_starting_with("ya29.", r"[A-Za-z0-9_\-]{20,}"),),
    "J": (_starting_with("eyJ", r"[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?"),),  # JSON Web Token
}

_EXACT_RULES: Final = tuple(_EXACT.items())

_ASSIGNED: Final = (
    r"api[_-]?key|access[_-]?key(?:[_-]?id)?|secret(?:[_-]?(?:access[_-]?)?key)?|client[_-]?secret"
    r"|password|passwd|passphrase|pwd|(?:auth|access|refresh|api|bearer|session|id)[_-]?token|token|private[_-]?key"
)
# A quoted value may contain blanks, an unquoted one ends at a blank. Exempt: short numbers, which are counts, None and
# booleans, and text that is redacted already.
_EXEMPT: Final = r"(?!\[redacted\])(?!(?:None|null|[Tt]rue|[Ff]alse)\b)(?!\d{1,7}(?![^\s,;)}\]]))"
_VALUE: Final = rf"(?:\"[^\"\n]{{1,1024}}\"?|'[^'\n]{{1,1024}}'?|{_EXEMPT}[^\s\"',;)}}\]]{{4,1024}})"

_SCHEME: Final = re.compile(r"\b(bearer|basic)\s+(?=\S*[0-9._~+/=\-])[A-Za-z0-9._~+/=\-]{12,}", re.I)
_ASSIGNMENT: Final = re.compile(
    rf"(?<![A-Za-z0-9])((?:[A-Za-z0-9]{{1,32}}[_-]){{0,4}}(?:{_ASSIGNED})[\"']?\s{{0,8}}(?:=>|:=|[=:])\s{{0,8}}){_VALUE}",
    re.I,
)
# "token" and "key" occur in ordinary prompts. Case-sensitive: the engine can skip by first letter.
_LOOKS_ASSIGNED: Final = re.compile(r"(?:key|secret|passw|pwd|passphrase|token)[a-z_\-]{0,16}[\"']?\s{0,8}[=:]")

_SECRET_NAME: Final = re.compile(rf"(?:^|[_\-. ])(?:{_ASSIGNED}|authorization|cookie|credentials?)$", re.I)
_CAMEL_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def redact(text: str) -> str:
    """Return the first 4,096 characters of *text*, with apparent secrets replaced by a marker."""
    if len(text) < SHORTEST_SECRET:
        return text
    if len(text) > SEARCHED_CHARACTERS:
        return _without_last_word(redact(text[:SEARCHED_CHARACTERS]))
    for guard, rules in _EXACT_RULES:
        if guard in text:
            for rule in rules:
                if rule.fixed_part in text:
                    text = rule.pattern.sub(rule.replacement, text)
    lower = text.lower()
    if "bearer" in lower:
        text = _SCHEME.sub(rf"\1 {MARKER}", text)
    if "=" in lower or ":" in lower:
        if "basic " in lower:
            text = _SCHEME.sub(rf"\1 {MARKER}", text)
        if _LOOKS_ASSIGNED.search(lower):
            text = _ASSIGNMENT.sub(rf"\1{MARKER}", text)
    return text


def _without_last_word(text: str) -> str:
    """Return a cut *text* without its last word, which may be half a secret, and so match no pattern."""
    if text.endswith(MARKER):
        return text
    return text[: max(text.rfind(" "), len(text) - _LONGEST_SECRET, 0)]


def names_a_secret(name: str) -> bool:
    """Tell whether the value under *name*, a key of a mapping, is a secret in any form."""
    return len(name) <= 100 and _SECRET_NAME.search(_CAMEL_HUMP.sub("_", name)) is not None
