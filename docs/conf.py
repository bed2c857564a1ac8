from importlib.metadata import version as installed_version

project = "lava-ep"
author = "The lava-ep authors"
copyright = "2026, The lava-ep authors"
release = version = installed_version("lava-ep")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
default_role = "py:obj"
suppress_warnings = ["config.cache"]

# Class attributes of Lava's decorators and of pydantic that tell a reader nothing.
autodoc_default_options = {
    "exclude-members": "implements_process, implements_protocol, model_config"
}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"
numpydoc_show_class_members = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"lava-ep {release}"
