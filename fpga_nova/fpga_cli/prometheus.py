# SPDX-License-Identifier: Apache-2.0
"""Metrics of a host's regions in Prometheus's text format, for node_exporter's textfile collector.

Names and units by https://prometheus.io/docs/practices/naming/; the format by prometheus_client.
"""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Iterable, Sequence
from importlib import metadata

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from fpga_nova import model
from fpga_nova.regions import counters


def text(regions: Sequence[model.Region], cards: Sequence[tuple[model.Card, bool]], state_path: pathlib.Path) -> str:
    """Return all metrics.

    :param cards: each with whether it was found
    :raises OSError: the counters cannot be read
    :raises sqlite3.Error: the counters cannot be read
    """
    families = [_build(), _regions(regions), _lost(regions), _cards(cards), *_operations(state_path)]

    class Collected:
        def collect(self) -> Iterable[Metric]:
            return families

    registry = CollectorRegistry()
    registry.register(Collected())
    return generate_latest(registry).decode()


def _build() -> Metric:
    return InfoMetricFamily("fpga_nova_build", "Version of fpga-nova.", {"version": metadata.version("fpga-nova")})


def _regions(regions: Sequence[model.Region]) -> Metric:
    """Return the count of every state, 0 included: a series that vanishes raises no alarm."""
    family = GaugeMetricFamily(
        "fpga_nova_regions", "FPGA regions of this host, by state.", labels=["vendor", "board", "state"]
    )
    counts = collections.Counter((region.vendor, region.board, region.state) for region in regions)
    for vendor, board in sorted({(region.vendor, region.board) for region in regions}):
        for state in model.RegionState:
            family.add_metric([vendor, board, state.value], counts[vendor, board, state])
    return family


def _lost(regions: Sequence[model.Region]) -> Metric:
    family = GaugeMetricFamily(
        "fpga_nova_lost_regions",
        "FPGA regions of this host that are recorded as programmed and whose card lost the bitstream.",
        labels=["vendor", "board"],
    )
    counts = collections.Counter((region.vendor, region.board) for region in regions if region.lost)
    for vendor, board in sorted({(region.vendor, region.board) for region in regions}):
        family.add_metric([vendor, board], counts[vendor, board])
    return family


def _cards(cards: Sequence[tuple[model.Card, bool]]) -> Metric:
    family = GaugeMetricFamily(
        "fpga_nova_card_present",
        "Whether a known FPGA card of this host is there (1) or was pulled (0).",
        labels=["card", "vendor", "board"],
    )
    for card, found in cards:
        present = found and pathlib.Path(card.path).exists()
        family.add_metric([card.id, card.vendor, card.board], int(present))
    return family


def _operations(state_path: pathlib.Path) -> list[Metric]:
    done = CounterMetricFamily(
        "fpga_nova_operations",
        "Operations of fpga-cli on regions, by exit code.",
        labels=["operation", "exit_code"],
    )
    for operation, exit_code, count in counters.operations(state_path):
        done.add_metric([operation, str(exit_code)], count)
    took = HistogramMetricFamily(
        "fpga_nova_operation_duration_seconds",
        "Duration of operations of fpga-cli, a burn's download included.",
        labels=["operation"],
    )
    bounds: list[str] = [floatToGoString(bound) for bound in counters.BOUNDS]  # type: ignore[no-untyped-call]
    for operation, (counts, seconds) in counters.durations(state_path).items():
        took.add_metric([operation], list(zip(bounds, counts)), seconds)
    return [done, took]
