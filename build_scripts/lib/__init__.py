# SPDX-License-Identifier: Apache-2.0
"""What the modules of the cloud stand on: the state directory, processes, nodes, the order of the work."""
