"""What is drawn: SVG of plain numbers, each with a table of the same."""
