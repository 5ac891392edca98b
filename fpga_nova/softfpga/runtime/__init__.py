# SPDX-License-Identifier: Apache-2.0
"""The server of a programmed region: one process a region, frames at a unix socket."""
