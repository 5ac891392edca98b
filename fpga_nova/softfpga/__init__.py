# SPDX-License-Identifier: Apache-2.0
"""The soft FPGA: runs an iCE40 bitstream on the host, exactly as it stands in the file.

::

    bitstream -> iceunpack -> asc -> extract -> netlist -> emit -> C -> tcc -> shared object     (translate, fabric)
    shared object -> server: one process a region, frames at a unix socket                       (server, region)

What is decoded is a tenant's file, so all of it happens in a confined child process (`confine`), and so does running.
"""
