# SPDX-License-Identifier: Apache-2.0
"""The life of a server's region: build, move, audit."""
