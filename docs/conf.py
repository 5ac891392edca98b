# SPDX-License-Identifier: Apache-2.0
"""How the manuals are built: ``make docs``, or ``sphinx-build -W --keep-going -b html docs docs/_build/html``.

fpga-nova must be installed in the environment that builds them: the options come from its entry points, the commands'
help from the commands themselves. The pictures are made by graphviz. The release notes come from git's history, by
reno; where that is not whole (an unpacked archive, a shallow clone, a worktree) reno cannot read it, and the manuals
are built without them.
"""

import logging
import os
import pathlib
import sys

project = "fpga-nova"
copyright = "the fpga-nova authors; Apache License 2.0"
html_title = "fpga-nova"

extensions = ["openstackdocstheme", "oslo_config.sphinxext", "sphinx.ext.graphviz", "sphinxcontrib.programoutput"]
exclude_patterns = ["_build"]
nitpicky = True
# A block without a language shows a shell: "#" is root's prompt, "$" a user's.
highlight_language = "console"

git = pathlib.Path(__file__).resolve().parents[1] / ".git"
if git.is_dir() and not (git / "shallow").exists():
    extensions.append("reno.sphinxext")
else:
    exclude_patterns.append("release-notes.rst")
    suppress_warnings = ["toc.excluded"]
if not git.exists():
    # The theme asks git for the commit; its warning that there is none would fail the build of an unpacked archive.
    logging.getLogger("sphinx.openstackdocstheme.ext").addFilter(lambda record: "gitsha" not in record.msg)

graphviz_output_format = "svg"

html_theme = "openstackdocs"
html_theme_options = {
    "analytics_tracking_code": "",
    "display_badge": False,
    "root_title": "fpga-nova",
}
# The theme is made for the OpenStack project: its header, footer, menu and license are replaced by ours.
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["fpga-nova.css"]
html_show_sphinx = False
# These are not documents of the OpenStack project: no project name for its bug tracker.
openstackdocs_auto_name = False
openstackdocs_auto_version = False

# program-output runs `python -m ...` of this very environment; argparse makes its help as wide as COLUMNS says.
os.environ["PATH"] = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ["COLUMNS"] = "100"
os.environ["NO_COLOR"] = "1"
