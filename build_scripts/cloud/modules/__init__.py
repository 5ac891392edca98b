# SPDX-License-Identifier: Apache-2.0
"""One file a part of a node: how it is configured, prepared, started, stopped and checked."""
