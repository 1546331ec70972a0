"""``learning-instrument top``: a database as it is filled, on a terminal.

``state`` asks the database, ``panes`` says what is shown of the answers, ``reader`` asks in a thread of its own, and
``app`` draws. Only ``app`` and ``widgets`` know textual, which is an extra: import them when they are needed.
"""
