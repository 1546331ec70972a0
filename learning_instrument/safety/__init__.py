"""Keeps foreign objects, secrets, forks and the end of the process from doing harm.

Imports nothing of this package, and touches neither the SDK nor SQLite.
"""
