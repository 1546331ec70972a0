"""``learning-instrument``: options in, a question asked, its answer rendered.

One file for each group of commands, imported when one of them is used.
"""

from .main import CommandGroup

__all__ = ["main"]

main = CommandGroup.assemble()
