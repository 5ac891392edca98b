# SPDX-License-Identifier: Apache-2.0
"""fpga-nova on Debian 12's own packages of Nova, in a root of its own: `python3 -m tests.debian`, or `make debian`."""
