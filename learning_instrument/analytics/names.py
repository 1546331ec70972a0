"""What dimensions and their values are called in a sentence."""

from typing import Final

from ..columns import metadata_key
from ..safety.control_characters import one_line

#: Characters of a name.
_NAME: Final = 40
#: What values of a dimension are called, one and several; others by the name of their column or key.
_NOUNS: Final = {
    "model_tier": ("tier", "tiers"),
    "pool_type": ("pool", "pools"),
    "repo": ("repository", "repositories"),
}


def nouns(by: str) -> tuple[str, str]:
    """Return what one and several values of a dimension are called."""
    if by in _NOUNS:
        return _NOUNS[by]
    one = named(metadata_key(by) or by.replace("_", " "))
    return one, f"{one[:-1]}ies" if one[-1:] == "y" and one[-2:-1] not in tuple("aeiou") else f"{one}s"


def named(value: str, most: int = _NAME) -> str:
    """Return a name on one line, cut where it is longer than *most* characters."""
    name = one_line(value) or "(empty)"
    return name if len(name) <= most else f"{name[: most - 3]}..."
