"""Count which secrets are caught, and how often ordinary text is mistaken for one; print the tables.

python -m tests.safety.secrets [--seed N] [--missed] [--alarms]
"""

import argparse
import pathlib
import random
import re
import sysconfig
from collections.abc import Iterator
from typing import NamedTuple

from learning_instrument.safety.named_secrets import MARKER
from learning_instrument.safety.redaction import redact
from learning_instrument.safety.sanitize import json_of

from .secret_formats import AROUND_NAMED, AROUND_SHAPED, NAMED, SHAPED, made

VALUES = 10
LINES = 2000
FILES = 150
_LONGEST_PIECE = 12
_DOCUMENT = re.compile(r'"""(.*?)"""', re.S)


class Family(NamedTuple):
    """What was found of one family of secrets."""

    name: str
    formats: int
    #: In every surrounding, every time.
    caught: int
    missed: tuple[str, ...]


def is_removed(secret: str, text: str) -> bool:
    """Tell whether *text* was redacted, and nothing of *secret* is left that would help to use it."""
    tail = re.split(r"[@/:$?=]", secret)[-1] if "://" not in secret else re.sub(r"@.*|^\w+://(?:\w+:)?", "", secret)
    pieces = {secret[-_LONGEST_PIECE:], secret[-2 * _LONGEST_PIECE : -_LONGEST_PIECE], tail[:_LONGEST_PIECE]}
    if "@" in secret:
        pieces = {tail}
    return MARKER in text and not any(piece in text for piece in pieces if len(piece) >= 8)


def shaped(seed: int) -> Iterator[Family]:
    """Return what is caught of the secrets with a shape of their own."""
    source = random.Random(seed)
    for name, templates in SHAPED.items():
        missed = []
        for template in templates.split():
            for _ in range(VALUES):
                secret = made(template, source)
                found = [around for around in AROUND_SHAPED if not is_removed(secret, redact(around.format(secret)))]
                if not is_removed(secret, json_of({"value": [secret]}, 8192)):
                    found.append("value of a dict")
                if found:
                    missed.append(f"{template} in {found[0]!r}, such as {secret!r}")
                    break
        yield Family(name, len(templates.split()), len(templates.split()) - len(missed), tuple(missed))


def named(seed: int) -> Family:
    """Return what is caught of the secrets that only a key names."""
    source = random.Random(seed)
    missed = []
    for key, template in NAMED:
        for _ in range(VALUES):
            secret = made(template, source)
            texts = {around: redact(around.format(key, secret)) for around in AROUND_NAMED}
            texts["value of a dict"] = json_of({"value": {key: secret}}, 8192)
            left = [
                around
                for around, text in texts.items()
                if MARKER not in text or secret[:8] in text or secret[-8:] in text
            ]
            if left:
                missed.append(f"{key} in {left[0]!r}, such as {secret!r}")
                break
    return Family("named by a key alone", len(NAMED), len(NAMED) - len(missed), tuple(missed))


def false_alarms(lines: list[str]) -> list[tuple[str, str]]:
    """Return the ordinary lines that are not left as they are, and what became of them."""
    return [(line, text) for line in lines if (text := redact(line)) != line]


def code(seed: int) -> list[str]:
    """Return lines of the standard library's code."""
    return _sample(seed, [line for text in _sources(seed) for line in text.splitlines()])


def prose(seed: int) -> list[str]:
    """Return lines of the standard library's documentation strings."""
    documents = [found for text in _sources(seed) for found in _DOCUMENT.findall(text)]
    return _sample(seed, [line for text in documents for line in text.splitlines()])


def _sources(seed: int) -> list[str]:
    root = pathlib.Path(sysconfig.get_paths()["stdlib"])
    files = [
        file for file in sorted(root.rglob("*.py")) if not {"site-packages", "test", "tests", "idlelib"} & {*file.parts}
    ]
    return [file.read_text("utf-8", "replace") for file in random.Random(seed).sample(files, FILES)]


def _sample(seed: int, lines: list[str]) -> list[str]:
    return random.Random(seed).sample([line for line in lines if len(line.strip()) > 20], LINES)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.safety.secrets", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of the random values and of the sampled lines (default: 1)"
    )
    parser.add_argument("--missed", action="store_true", help="print what is missed")
    parser.add_argument("--alarms", action="store_true", help="print the false alarms")
    options = parser.parse_args()
    families = [*shaped(options.seed), named(options.seed)]
    print("| secrets | formats | caught |\n|---|--:|--:|")
    for family in families:
        print(f"| {family.name} | {family.formats} | {family.caught} |")
    print("\n| ordinary text | lines | mistaken for a secret |\n|---|--:|--:|")
    alarms = {"code": false_alarms(code(options.seed)), "prose": false_alarms(prose(options.seed))}
    for kind, found in alarms.items():
        print(f"| {kind} of Python's standard library | {LINES:,} | {len(found)} |")
    if options.missed:
        print(*[line for family in families for line in family.missed], sep="\n")
    if options.alarms:
        print(*[f"{line!r} -> {text!r}" for found in alarms.values() for line, text in found], sep="\n")


if __name__ == "__main__":
    main()
