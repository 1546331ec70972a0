"""Whole documents: what stands in one file, or is sent by a server."""
