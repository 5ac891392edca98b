# SPDX-License-Identifier: Apache-2.0
"""A region's endpoint in its guest, one file a kind of guest."""
