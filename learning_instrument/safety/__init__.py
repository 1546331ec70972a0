"""Keeps recording harmless: guards, foreign objects, redaction, forks and process exit.

Runs inside tasks; imports nothing else of this package.
"""
