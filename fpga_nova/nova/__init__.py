# SPDX-License-Identifier: Apache-2.0
"""The functions that the patched Nova calls.

`seams` has one function a hunk; `hooks`, `scheduler_filter` and `extra_specs` are what Nova loads by name. The rooms
behind them are cut by subject: `scheduling` (what the scheduler knows of regions), `claims` (which regions of a host
are used), `lifecycle` (build, moves, audit) and `attach` (the endpoint in the guest). Each entry does nothing where
FPGA is off or not asked for.
"""
