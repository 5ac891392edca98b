# SPDX-License-Identifier: Apache-2.0
"""What happens to a server's region: build, move, audit."""
