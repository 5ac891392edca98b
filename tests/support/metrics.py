# SPDX-License-Identifier: Apache-2.0
"""Metrics as Prometheus's own parser reads them."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families


def families(text):
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(family, suffix=""):
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for sample in family.samples
        if sample.name == family.name + suffix
    }
