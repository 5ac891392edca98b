# SPDX-License-Identifier: Apache-2.0
"""From a bitstream to a shared object, in a confined process: iceunpack, asc, netlist, C, tcc."""
