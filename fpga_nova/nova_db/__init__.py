# SPDX-License-Identifier: Apache-2.0
"""Nova's databases, found by Nova's own configuration: those of all its cells."""
