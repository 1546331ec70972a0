"""Tables of a page."""

import xml.etree.ElementTree as ET

from learning_instrument.dashboard.markup import element
from learning_instrument.dashboard.tables import Column, Table

TABLE = Table(
    (Column("tier"), Column("cost", is_number=True)),
    (("small", "$1.20"), ("<b>", None), (element("a", "large", href="#x"), "")),
)


def test_a_row_has_its_heading_and_its_cells():
    """A screen reader says which row and which column a number is of."""
    found = ET.fromstring(TABLE.markup("Costs by tier"))

    assert [heading.text for heading in found.iter("th") if heading.get("scope") == "col"] == ["tier", "cost"]
    assert ["".join(heading.itertext()) for heading in found.iter("th") if heading.get("scope") == "row"] == [
        "small",
        "<b>",
        "large",
    ]
    assert found.get("aria-label") == "Costs by tier"


def test_what_is_not_known_is_no_empty_cell():
    """Nor is it a 0."""
    assert [cell.text for cell in ET.fromstring(TABLE.markup()).iter("td")] == ["$1.20", "-", "-"]


def test_numbers_are_told_apart():
    """The style puts them at the right, with their heading."""
    words = Table((Column("tier"), Column("cost", is_number=True), Column("note")), (("small", "$1.20", "new"),))
    found = ET.fromstring(words.markup())

    assert [cell.get("class") for cell in found.iter("td")] == ["n", None]
    assert [heading.get("class") for heading in found.iter("th")] == [None, "n", None, None]


def test_a_table_of_numbers_says_so_once():
    """A page has thousands of their cells."""
    found = ET.fromstring(TABLE.markup())

    assert found.find("table").get("class") == "numbers"
    assert {cell.get("class") for cell in found.iter("td")} == {None}


def test_a_table_that_is_too_wide_scrolls_by_keyboard():
    """Its frame takes the focus."""
    assert ET.fromstring(TABLE.markup()).get("tabindex") == "0"
