"""What is asked of words in descriptions, and answered."""

from collections.abc import Mapping
from typing import Final, NamedTuple

#: Of each list, the newest executions that are looked at.
LISTED: Final = 10_000
#: Of those, the executions with the most weight are compared.
COMPARED: Final = 1_000


class Frequencies(NamedTuple):
    """How many executions have words in their description."""

    executions: int
    #: Word -> about how many.
    of_word: Mapping[str, float]


class WordList(NamedTuple):
    """Words, any of which an execution has to have in its description."""

    #: As they are compared, in lower case and without accents -> as they are written.
    words: Mapping[str, str]
    weight: float
