# SPDX-License-Identifier: Apache-2.0
"""The cloud on one machine: OpenStack's services, each host a node made of namespaces."""
