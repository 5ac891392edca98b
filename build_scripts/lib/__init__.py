# SPDX-License-Identifier: Apache-2.0
"""The part that the maintainer's commands share: paths, the state directory, releases of Nova."""
