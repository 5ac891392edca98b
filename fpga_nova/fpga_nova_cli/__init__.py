# SPDX-License-Identifier: Apache-2.0
"""The command fpga-nova: parse, call patcher, doctor or nova_db, print, exit."""
