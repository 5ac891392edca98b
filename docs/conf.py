# SPDX-License-Identifier: Apache-2.0
"""How the manuals are built: `sphinx-build -W --keep-going -b html docs docs/_build/html`.

fpga-nova must be installed in the environment that builds them: the options come from its entry points, the commands'
help from the commands themselves. The release notes come from git's history, by reno; where that is not whole (an
unpacked archive, a shallow clone, a worktree) reno cannot read it, and the manuals are built without them.
"""

import os
import pathlib
import sys

project = "fpga-nova"
copyright = "the fpga-nova authors; Apache License 2.0"
html_title = "fpga-nova"

extensions = ["oslo_config.sphinxext", "sphinxcontrib.programoutput"]
exclude_patterns = ["_build"]
nitpicky = True

git = pathlib.Path(__file__).resolve().parents[1] / ".git"
if git.is_dir() and not (git / "shallow").exists():
    extensions.append("reno.sphinxext")
else:
    exclude_patterns.append("release-notes.rst")
    suppress_warnings = ["toc.excluded"]

html_theme = "alabaster"
html_theme_options = {
    "description": "FPGAs as a resource of OpenStack Nova",
    "fixed_sidebar": True,
    "page_width": "1100px",
    "sidebar_width": "260px",
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_show_sphinx = False

# program-output runs `python -m ...` of this very environment; argparse makes its help as wide as COLUMNS says.
os.environ["PATH"] = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ["COLUMNS"] = "100"
os.environ["NO_COLOR"] = "1"
