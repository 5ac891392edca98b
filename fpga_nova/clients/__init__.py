# SPDX-License-Identifier: Apache-2.0
"""What talks to others: Glance, and fpga-cli through rootwrap."""
