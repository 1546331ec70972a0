"""Text that a spreadsheet takes for a formula is quoted, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.safety.formulas import escaped, unescaped

FORMULAS = [
    "=cmd()",
    "+1",
    "-1",
    "@x",
    "\tx",
    "\rx",
    "\nx",
    "  =1",
    "\u00a0=1",
    "\ufeff@x",
    "\uff1dx",
    "\uff0bx",
    " \uff0d1",
]
TEXTS = ["", "a=1", "1-2", "'", "'a", "x@y", "{}", "[-1]", "2026-11-22", "a\t=1", "*", "(=1)"]


@pytest.mark.parametrize("text", FORMULAS)
def test_formula_is_quoted(text):
    assert escaped(text) == f"'{text}"


@pytest.mark.parametrize("text", TEXTS)
def test_other_text_stays(text):
    assert (escaped(text), unescaped(text)) == (text, text)


@given(st.text(st.sampled_from("'=-+@ \t\ra1\uff1d\u00a0"), max_size=6))
def test_every_text_is_restored(text):
    """Also one that begins with quotes before a formula."""
    assert unescaped(escaped(text)) == text
    assert not escaped(text).lstrip().startswith(("=", "+", "-", "@", "\uff1d"))
