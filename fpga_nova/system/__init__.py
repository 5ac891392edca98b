# SPDX-License-Identifier: Apache-2.0
"""The operating system's part: durable files, locks, scratch directories, tools, trusted paths, UUIDs."""
