"""Settings of the site. `make docs` builds it from these pages, the docstrings and the scripts in `examples/`.

Nothing is fetched while it is built or read: no intersphinx, no scripts or fonts from elsewhere.
"""

import os
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # small networks; other programs may want the other cores
    os.environ.setdefault(variable, "1")

import myow


def one_line(message, category, filename, lineno, line=None):
    """Format a warning in a tutorial: the words alone, as the command line prints them."""
    return f"warning: {message}\n"


warnings.formatwarning = one_line

project = "myow"
author = "The myow developers"
copyright = "the myow developers, Apache-2.0"
release = version = myow.__version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx_gallery.gen_gallery", "pages"]
exclude_patterns = ["_ext", "tutorials/*.py", "tutorials/*.ipynb", "tutorials/*.md5", "**/sg_execution_times.rst"]
suppress_warnings = ["config.cache"]
language = "en"
default_role = "py:obj"
highlight_language = "none"
maximum_signature_line_length = 88

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
toc_object_entries_show_parents = "hide"

sphinx_gallery_conf = {
    "examples_dirs": str(HERE.parent / "examples"),
    "gallery_dirs": "tutorials",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "image_scrapers": ("pages.take_figures",),
    "reset_modules": (),
    "capture_repr": ("_repr_html_", "__repr__"),
    "ignore_repr_types": r"matplotlib\.|myow\.methods",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "nested_sections": False,
    "default_thumb_file": str(HERE / "images" / "mining.svg"),
}

html_theme = "pydata_sphinx_theme"
html_title = "myow"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False
html_show_search_summary = False  # it fetches pages, which a browser refuses for pages on disk
html_math_renderer = "pages"  # MathJax would come from elsewhere
html_theme_options = {
    "logo": {"text": "myow"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "show_nav_level": 1,
    "navigation_depth": 3,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "back_to_top_button": False,
    "use_edit_page_button": False,
    "article_header_start": ["breadcrumbs"],
}
html_sidebars = {
    "index": [],
    "changes": [],
    "cite": [],
}
