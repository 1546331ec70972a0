"""The parts of a page: each asks analytics, and has a heading, a chart and its table."""
