"""Settings of the documentation."""

# SPDX-License-Identifier: BSD-3-Clause

import sklcausal

project = "sklcausal"
author = "The sklcausal developers"
copyright = f"2026, {author}"
release = sklcausal.__version__
version = ".".join(release.split(".")[:2])

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "auto_examples/**/*.ipynb", "auto_examples/**/*.py"]
templates_path = ["_templates"]
default_role = "py:obj"

html_theme = "pydata_sphinx_theme"
html_title = "sklcausal"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# A folder of examples is on the site when it has a GALLERY_HEADER.rst; benchmarks/ has none.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "doc_module": ("sklcausal",),
    "backreferences_dir": "generated/backreferences",
    "reference_url": {"sklcausal": None},
    "download_all_examples": False,
    "plot_gallery": True,
    "abort_on_example_error": True,
}
