# SPDX-License-Identifier: Apache-2.0
"""fpga-nova: FPGAs as a resource of OpenStack Nova."""
