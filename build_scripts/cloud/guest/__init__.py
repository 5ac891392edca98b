# SPDX-License-Identifier: Apache-2.0
"""The guest: Debian's kernel, and an initramfs that sends a file through its FPGA region."""
