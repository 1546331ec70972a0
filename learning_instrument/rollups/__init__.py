"""Derived tables, advanced in the background: roll-ups, error counts, the search index.

Writes through ``sqlite/`` and reads nothing but the database.
"""
