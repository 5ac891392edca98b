# SPDX-License-Identifier: Apache-2.0
"""Nova's own tests judge the patch: their results without it and with it are compared."""
