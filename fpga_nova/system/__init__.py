# SPDX-License-Identifier: Apache-2.0
"""What the operating system gives: durable files, locks, scratch directories, tools, trusted paths."""
