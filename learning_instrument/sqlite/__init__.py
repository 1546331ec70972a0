"""The file format: connections, migrations, the table of executions, selections.

The only room that opens SQLite. Knows rows and columns; never spans, tasks or the SDK.
"""
