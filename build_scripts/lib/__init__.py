# SPDX-License-Identifier: Apache-2.0
"""What the maintainer's commands share: paths, the state directory, releases of Nova."""
