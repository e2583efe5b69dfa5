"""How the site is built: `python -m sphinx -W --keep-going -b html docs docs/_build`.

The pages are those that `index.md` links to: each row of its tables is an entry of the
navigation, each of its headings a part of it. Everything a page needs comes with it.
"""

import re
import sys
import tomllib
from importlib import import_module
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

sys.path.insert(0, str(ROOT / "docs"))
from formulas import typeset_docstring, typeset_tables  # noqa: E402

import skbackprop  # noqa: E402

# Modules whose `__all__` is public, beside that of the package itself.
PUBLIC_MODULES = [
    "activations",
    "averaging",
    "conventions",
    "network.dropout",
    "initializers",
    "network.network",
    "losses",
    "optimizers",
    "schedules",
    "rule",
]

project = "skbackprop"
author = "The skbackprop developers"
version = release = skbackprop.__version__
copyright = author

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
# what is copied runs: no prompts, no output
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
myst_enable_extensions = ["dollarmath"]
html_math_renderer = "mathml"
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
nitpicky = False
default_role = "literal"
smartquotes = False  # identifiers and strings are pasted into programs
myst_heading_anchors = 3

# -- the reference ---------------------------------------------------------------------

autosummary_ignore_module_all = False
# members with a docstring: the methods of a rule are described in its protocol
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # what a base class describes is described there
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # the docstrings say more
numpydoc_show_class_members = False
numpydoc_validation_checks = {
    "GL03",  # double blank lines
    "GL07",  # order of the sections
    "GL08",  # no docstring
    "SS01",  # no summary
    "SS03",  # summary without a full stop
    "PR02",  # a parameter that does not exist
    "PR03",  # parameters in another order
    "PR04",  # a parameter without a type
    "PR07",  # a parameter without a description
    "RT03",  # a result without a description
}

# -- the gallery -----------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "ignore_pattern": "quickstart",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "image_srcset": ["1.5x"],  # 150 dpi where the screen has them
    "backreferences_dir": "gallery/backreferences",  # from the reference to the examples
    "doc_module": ("skbackprop",),
    "write_computation_times": False,
}

# -- the looks -------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = f"skbackprop {version}"
html_static_path = ["_static"]
html_extra_path = ["CITATION.cff"]
html_css_files = ["custom.css"]
html_copy_source = False
html_show_sourcelink = False
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_sidebars = {"**": ["pages"]}
html_theme_options = {
    "github_url": tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"][
        "Source"
    ],
    "navbar_center": [],
    "primary_sidebar_end": [],
    # a page of wide tables has the whole width
    "secondary_sidebar_items": {"**": ["page-toc"], "features": [], "performance": []},
    "footer_start": ["copyright"],
    "footer_end": [],
}


# -- the pages -------------------------------------------------------------------------


def add_navigation(app, docname, source):
    """Append to each part of a list of pages what Sphinx makes the navigation of."""
    if docname in ("index", "decisions/README"):
        parts = re.split(r"^(?=## )", source[0], flags=re.MULTILINE)
        source[0] = "".join(part + _navigation(part) for part in parts)


def _navigation(part):
    pages = re.findall(r"^\| \[.*?\]\(([\w./]+)\.\w+\)", part, flags=re.MULTILINE)
    if not pages:
        return ""
    caption = re.search(r"\A## (.*)", part)
    options = [f":caption: {caption[1]}"] if caption else []
    lines = ["", "```{toctree}", ":hidden:", *options, "", *pages, "```", ""]
    return "\n".join(lines)


def adapt_markdown(app, docname, source):
    """Link to the pages of examples; drop the blank line by which a doctest ends."""
    source[0] = source[0].replace("\n\n```\n", "\n```\n")
    source[0] = source[0].replace("](../examples/README.rst", "](gallery/index.rst")
    source[0] = re.sub(r"\]\(\.\./examples/(plot_\w+)\.py", r"](gallery/\1.rst", source[0])


def typeset_pages(app, docname, source):
    """Set the formulas of the table of rules, and LaTeX that an example prints."""
    if docname == "features":
        source[0] = typeset_tables(source[0])
    source[0] = re.sub(
        r"(\n>>> [^\n]*)\n(\\begin\{align\*\}\n.*?\n\\end\{align\*\})\n```",
        r"\1\n```\n\n```{math}\n:nowrap:\n\n\2\n```",
        source[0],
        flags=re.DOTALL,
    )


def adapt_docstring(app, what, name, obj, options, lines):
    """Set the formulas of rules; cut references into the pages of scikit-learn."""
    lines[:] = [re.sub(r":ref:`([^<`]+?)(?: <[^`]*>)?`", r"\1", line) for line in lines]
    if re.match(
        r"skbackprop\.(activations|losses|optimizers|schedules|initializers)\.", name
    ):
        typeset_docstring(lines)


def write_formula(writer, node):
    """Write a formula as MathML, which browsers show without a script."""
    display = "block" if isinstance(node, nodes.math_block) else "inline"
    formula = convert(node.astext().replace(r"\_", "_"), display=display)
    writer.body.append(
        f'<div class="math">{formula}</div>' if display == "block" else formula
    )
    raise nodes.SkipNode


def check_reference(app, env):
    """Warn of public names that have no place in the reference."""
    public = {f"skbackprop.{name}" for name in skbackprop.__all__}
    for module in map("skbackprop.{}".format, PUBLIC_MODULES):
        public |= {f"{module}.{name}" for name in import_module(module).__all__}
    missing = public - env.domains.python_domain.objects.keys()
    for name in sorted(missing):
        logging.getLogger(__name__).warning("%s is not in docs/api.rst", name)


def skip_inherited(app, what, name, obj, skip, options):
    """Leave out what others wrote: routing methods, fields of named tuples."""
    is_foreign = re.fullmatch(r"set_\w+_request", name) or (
        str(getattr(obj, "__doc__", "")).startswith("Alias for field number")
    )
    return True if is_foreign else None


def without_arguments(app, what, name, obj, options, signature, returns):
    """Show no arguments for a protocol, which nobody calls."""
    return ("", None) if getattr(obj, "_is_protocol", False) else None


def write_replay(app, exception):
    """Run the lines of the home page that write the page it shows."""
    if exception is None and app.builder.format == "html":
        home = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
        (code,) = re.findall(r"```python\n([^`]*replay\([^`]*)```", home)
        page = Path(app.outdir, "_static", "replay.html")
        exec(code.replace('"replay.html"', repr(str(page))), {})


def setup(app):
    app.connect("autodoc-skip-member", skip_inherited)
    app.connect("autodoc-process-docstring", adapt_docstring)
    app.connect("autodoc-process-signature", without_arguments)
    app.connect("source-read", adapt_markdown)
    app.connect("source-read", typeset_pages)
    app.connect("source-read", add_navigation)
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))
    app.connect("env-check-consistency", check_reference)
    app.connect("build-finished", write_replay)
