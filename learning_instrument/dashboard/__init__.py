"""What a database shows to programs and people that look again and again: a server, and what it answers.

Runs in a process of its own, reads only, and never runs a task's code.
"""
