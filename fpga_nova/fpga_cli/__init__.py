# SPDX-License-Identifier: Apache-2.0
"""fpga-cli: parse, call the engine, print, exit."""
