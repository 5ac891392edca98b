# SPDX-License-Identifier: Apache-2.0
"""Clients of Glance, and of fpga-cli through rootwrap."""
