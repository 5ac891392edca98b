# SPDX-License-Identifier: Apache-2.0
"""Finds a Nova, chooses the series for it, checks, applies, reverts. Never imports Nova, and needs nothing of it."""
