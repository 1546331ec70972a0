"""Reads the sections of a page as it is served: their tables, and where they lead."""

from html.parser import HTMLParser


class Found:
    """A section: the addresses of the rows behind it, and of executions in it; its table."""

    def __init__(self):
        self.rows, self.executions, self.table = [], [], []

    def sum_of(self, *headings):
        """Return the sum of the first column that has one of these headings; None: there is none."""
        head, *rows = self.table or [[]]
        column = next((head.index(each) for each in headings if each in head), None)
        return None if column is None else sum(int(row[column].replace(",", "")) for row in rows)


class Sections(HTMLParser):
    """The sections of a document, by name."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.found, self._name, self._href, self._cell = {}, None, None, None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "section" and "id" in attrs:
            self._name = attrs["id"]
            self.found[self._name] = Found()
        if self._name is None:
            return
        if tag == "a":
            self._href = attrs.get("href")
        elif tag == "tr":
            self.found[self._name].table.append([])
        elif tag in ("th", "td"):
            self._cell = ""

    def handle_data(self, data):
        if self._cell is not None:
            self._cell += data
        if self._href is not None:
            section = self.found[self._name]
            (section.rows if data == "The rows behind it" else section.executions).append(self._href)
            self._href = None

    def handle_endtag(self, tag):
        if tag in ("th", "td") and self._cell is not None:
            self.found[self._name].table[-1].append(self._cell)
            self._cell = None
        elif tag == "section":
            self._name = None
