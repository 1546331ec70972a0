"""The exceptions a caller may catch. Each message names the value and the remedy."""


class LearningInstrumentError(Exception):
    """Base class of every exception this package raises."""


class ConfigurationError(LearningInstrumentError, ValueError):
    """An argument, a keyword or an environment variable that cannot be used."""


class DatabaseError(LearningInstrumentError):
    """A database that cannot be opened, read or written."""


class SchemaVersionError(DatabaseError):
    """A database written by a newer release than this one."""


class UnknownExecutionError(LearningInstrumentError, LookupError):
    """An id that names no execution, or more than one."""
