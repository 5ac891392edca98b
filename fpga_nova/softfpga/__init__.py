# SPDX-License-Identifier: Apache-2.0
"""The soft FPGA: runs an iCE40 bitstream on the host, exactly as it is in the file.

::

    decoder:  bitstream -> iceunpack -> asc text -> netlist -> C -> tcc -> shared object
    runtime:  shared object -> server: one process for each region, frames at a unix socket

The decoded file is a tenant's, so all of it happens in a confined child process (`confinement`), and so does
running.
"""
