"""Sphinx: Markdown pages by MyST, reference pages from the docstrings, the furo theme. Nothing comes from a network.

sphinx-build -W --keep-going docs docs/_build
"""

from importlib.metadata import version as version_of

from sphinx.ext.napoleon.docstring import GoogleDocstring

project = "learning_instrument"
author = "the learning_instrument authors"
copyright = "the learning_instrument authors"  # noqa: A001 - Sphinx reads this name
release = version = version_of("learning_instrument")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
# Napoleon reads an attribute's comment as ``type: description``. Ours are sentences, and some have a colon.
GoogleDocstring._parse_attribute_docstring = GoogleDocstring._consume_to_end

html_theme = "furo"
html_title = f"learning_instrument {release}"
