# SPDX-License-Identifier: Apache-2.0
"""The part that several drivers share."""
