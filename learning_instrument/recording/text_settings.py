"""What else is removed from texts, and what is kept of metadata: two settings of this process."""

from typing import Any, NamedTuple

from ..errors import ConfigurationError
from ..safety import own_redaction
from .contents import Kept, metadata_keys


class TextSettings(NamedTuple):
    """The settings, checked."""

    redact: own_redaction.Setting | None = None
    keep_metadata: frozenset[str] = frozenset()

    @classmethod
    def checked(cls, redact: Any, keep_metadata: Any) -> "TextSettings":
        """Check the arguments of ``configure()``.

        Raises:
            ConfigurationError: for an invalid one.
        """
        try:
            return cls(own_redaction.parsed(redact), metadata_keys(keep_metadata))
        except ValueError as error:
            raise ConfigurationError(str(error)) from error

    @classmethod
    def current(cls) -> "TextSettings":
        """Return those of this process."""
        return cls(own_redaction.Own.setting, Kept.names)

    def use(self) -> None:
        """Apply them."""
        own_redaction.use(self.redact)
        Kept.names = self.keep_metadata

    def add(self) -> None:
        """Apply those that there are none of.

        Raises:
            ConfigurationError: if another ``redact`` is configured.
        """
        now = self.current()
        if self.redact is not None and now.redact not in (None, self.redact):
            raise ConfigurationError(
                f"Texts are redacted by {now.redact!r} already: call shutdown() before configuring {self.redact!r}."
            )
        TextSettings(now.redact or self.redact, now.keep_metadata or self.keep_metadata).use()
