# SPDX-License-Identifier: Apache-2.0
"""The audit of a host's regions: the safety net for servers that left without the delete hook."""

from __future__ import annotations

import logging
from typing import Any

from nova import exception, objects, utils

from fpga_nova.nova import core_requests
from fpga_nova.nova.claims.tracker import Tracker

LOG = logging.getLogger(__name__)


def audit(rt: Any, context: Any, nodename: str, tracker: Tracker) -> None:
    """Ask fpga-cli for the state of the regions, and erase those whose server is gone.

    :param rt: nova.compute.resource_tracker.ResourceTracker, whose lock is not held
    """
    tracker.audit()
    if tracker.simulated:
        _claim_for_flavors(rt, context, tracker)
    else:
        _reconcile(rt, context, nodename, tracker)


def _reconcile(rt: Any, context: Any, nodename: str, tracker: Tracker) -> None:
    """Erase the regions of servers that left this host without the delete hook.

    Such servers were deleted while nova-compute was down, lost between burn and save, evacuated, or shelved.
    """
    orphans = tracker.orphans(rt.tracked_instances)
    for server, region_id in orphans:
        if _has_left(rt, context, nodename, server):
            LOG.warning("Erasing region %s: server %s has left this host", region_id, server)
            tracker.erase_orphan(server, region_id)
    if orphans:
        tracker.audit()


def _claim_for_flavors(rt: Any, context: Any, tracker: Tracker) -> None:
    """Claim a region for each server of this host whose flavor asks for one: in simulation mode no card tells."""
    for instance in objects.InstanceList.get_by_host(context, rt.host, expected_attrs=["flavor"]):
        if core_requests.of_instance(instance) is not None:
            tracker.counts.add_claim(instance.uuid)


def _has_left(rt: Any, context: Any, nodename: str, server: str) -> bool:
    """Return whether `server` is certainly not on this host nor about to be; any doubt means that it may be."""
    try:
        if server in rt.driver.list_instance_uuids():
            return False
        with utils.temporary_mutation(context, read_deleted="no"):
            migrations = objects.MigrationList.get_in_progress_and_error(context, rt.host, nodename)
            if server in {migration.instance_uuid for migration in migrations}:
                return False
            return bool(objects.Instance.get_by_uuid(context, server, expected_attrs=[]).host != rt.host)
    except exception.InstanceNotFound:
        return True
    except Exception:
        LOG.exception("Cannot tell whether server %s is on this host; its region is kept", server)
        return False
