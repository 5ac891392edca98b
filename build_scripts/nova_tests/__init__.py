# SPDX-License-Identifier: Apache-2.0
"""Nova's own tests judge the patch: they run on a Nova without it and on one with it, and are compared one by one."""
