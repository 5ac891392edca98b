# SPDX-License-Identifier: Apache-2.0
"""What a patched Nova calls. `seams` has one function a hunk; each does nothing where FPGA is off or not asked for."""
