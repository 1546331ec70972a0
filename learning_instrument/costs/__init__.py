"""Model calls: parsed from spans, priced, attributed to executions, added up; and what budgets have spent.

Knows SQLite by ``sqlite/`` only, and the SDK for reading spans. Never runs a task's code.
"""
