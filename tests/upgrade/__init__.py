# SPDX-License-Identifier: Apache-2.0
"""`make upgrades`: Nova 33 and 34, unpatched, patched, mixed and reverted, on MariaDB and on PostgreSQL."""
