# SPDX-License-Identifier: Apache-2.0
"""Regions, store, archive, images: the host's engine. Knows no OpenStack service and no particular card."""
