# SPDX-License-Identifier: Apache-2.0
"""The scheduler's view of regions, and its explanation where no host is left."""
