# SPDX-License-Identifier: Apache-2.0
"""Coverage-guided fuzzing of all that reads a tenant's bytes as root: archives, manifests, bitstream headers.

``python -m tests.fuzz --runs 1000000`` needs atheris (`requirements.txt`); `make test` does not run it.
"""
