# SPDX-License-Identifier: Apache-2.0
"""What the scheduler sees of regions, and its explanation where no host is left."""
