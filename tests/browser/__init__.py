"""Pages in a real Chromium: whether they draw, work, read well, and ask for nothing from elsewhere."""
