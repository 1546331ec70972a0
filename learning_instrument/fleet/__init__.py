"""The fleet: the same questions, answered by ClickHouse from the spans of many machines."""
