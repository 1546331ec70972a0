"""The write path of one database: store, background writer, housekeeping, retention, crash ledger, feedback.

Writes through ``sqlite/``, on a task's thread or in the background; never runs a task's code.
"""
