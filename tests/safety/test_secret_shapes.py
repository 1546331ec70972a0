"""Which secrets are caught, by the program that makes the table of the documentation."""

import pathlib

import pytest

from learning_instrument.safety.secret_shapes import BY_FIRST_CHARACTER, FORMS, SECRETS, body_of, pattern_of
from safety import secrets
from safety.secret_formats import NAMED, SHAPED

FORMATS = sum(len(templates.split()) for templates in SHAPED.values())


@pytest.fixture(scope="module")
def shaped():
    return list(secrets.shaped(seed=7))


def test_nearly_all_secrets_with_a_shape_are_caught(shaped):
    """In every surrounding, with every value."""
    assert FORMATS >= 220
    assert sum(family.caught for family in shaped) >= 0.95 * FORMATS, [family.missed for family in shaped]


def test_all_secrets_that_a_key_names_are_caught():
    """In every surrounding, with every value."""
    assert len(NAMED) >= 35
    assert secrets.named(seed=7).missed == ()


def test_ordinary_text_is_hardly_ever_mistaken(subtests):
    """Code and documentation of the standard library."""
    for kind, lines in (("code", secrets.code(7)), ("prose", secrets.prose(7))):
        with subtests.test(kind=kind):
            assert len(secrets.false_alarms(lines)) <= 2


def test_every_shape_compiles_and_none_matches_nothing():
    """And each is found by its first character."""
    patterns = [body_of(secret) for secret in SECRETS] + [pattern_of(form) for form in FORMS]

    assert not any(pattern.fullmatch("") for pattern in patterns)
    assert {prefix[0] for secret in SECRETS for prefix in secret.prefixes.split()} == BY_FIRST_CHARACTER.keys()


def test_table_of_the_documentation_is_what_the_program_counts():
    """The page on privacy says what is caught."""
    page = (pathlib.Path(__file__).parents[2] / "docs/how-to/privacy.md").read_text("utf-8")

    for family in [*secrets.shaped(seed=1), secrets.named(seed=1)]:
        assert f"| {family.name} | {family.formats} | {family.caught} |" in page
