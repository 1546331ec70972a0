"""Where the facts come from that questions are answered with: a SQLite file, or another engine."""
