# SPDX-License-Identifier: Apache-2.0
"""Which regions of a host are used, claims included."""
