"""Reads what agents are asked, in the forms that their frameworks take it."""

from typing import Any, Final

#: Where a message, or a list of messages, has its text; the first that has one.
_NAMES: Final = ("text", "content", "parts", "messages")
_DEEPEST: Final = 6
#: Of a list, the last items that are looked at.
_MOST_ITEMS: Final = 20


def text_of(prompt: Any, depth: int = _DEEPEST) -> str | None:
    """Return the text of a prompt: its own, or that of its last message or part that has one; None without."""
    if isinstance(prompt, str):
        return prompt
    if prompt is None or not depth:
        return None
    if isinstance(prompt, (list, tuple)):
        inner = prompt[: -_MOST_ITEMS - 1 : -1]
    elif isinstance(prompt, dict):
        inner = [prompt.get(name) for name in _NAMES]
    else:
        inner = [getattr(prompt, name, None) for name in _NAMES]
    return next((text for each in inner if (text := text_of(each, depth - 1)) is not None), None)


def model_name_of(model: Any) -> str | None:
    """Return the name of a language model, where it says one as text."""
    names = (model, *(getattr(model, name, None) for name in ("model_name", "model", "model_id")))
    return next((name for name in names if isinstance(name, str)), None)
