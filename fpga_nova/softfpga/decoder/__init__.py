# SPDX-License-Identifier: Apache-2.0
"""From a bitstream to a shared object: iceunpack, asc, netlist, C, tcc; in a confined process."""
