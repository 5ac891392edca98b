# SPDX-License-Identifier: Apache-2.0
"""The server of a programmed region: one process for each region, frames at a unix socket."""
