# SPDX-License-Identifier: Apache-2.0
"""This host's regions: the engine, the region store, the quick status, the audit log, the counters."""
