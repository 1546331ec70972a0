"""What a database shows to programs and people that look again and again: a server, and what it answers.

Runs in a process of its own, reads only, and never runs a task's code. As an extension of IPython
(``%load_ext learning_instrument.dashboard``) it shows answers of ``analytics`` in a notebook.
"""

from typing import Any


def load_ipython_extension(ipython: Any) -> None:
    """Show answers of ``analytics`` as tables and charts, in place of their text."""
    from .notebook import load

    load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Show them as before."""
    from .notebook import unload

    unload(ipython)
