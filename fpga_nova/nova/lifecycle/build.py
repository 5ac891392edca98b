# SPDX-License-Identifier: Apache-2.0
"""What happens to a server's region when the server is built, fails, is deleted, or has left the host unnoticed."""

from __future__ import annotations

import logging
from typing import Any

from nova import exception, objects, utils

from fpga_nova import errors
from fpga_nova.nova import core_requests, hooks
from fpga_nova.nova.claims import trackers
from fpga_nova.nova.claims.tracker import Tracker

LOG = logging.getLogger(__name__)


def burn(manager: Any, context: Any, instance: Any) -> None:
    """Program a region of this host for `instance`, whose claim stands.

    The region's id is written to the database with the instance's next save, which Nova does at once; until then the
    host's region store knows whose it is.

    :raises fpga_nova.nova.hooks.FatalHookException: with the tool's own words; nothing of it is left
    """
    tracker = trackers.tracker(manager.rt)
    if tracker is None:
        return
    wish = core_requests.of_server(instance)
    if wish is None:
        return
    core = wish.image_id
    try:
        token = _requesters_token(context) if wish.by_image else None
        region_id = tracker.burn(instance.uuid, core, instance.project_id, token)
    except errors.FpgaError as error:
        raise hooks.FatalHookException(f"FPGA: {error}") from error
    except Exception as error:
        # Any other exception of a hook is ignored, and the server would come up without what it was asked for.
        LOG.exception("Burning IP core %s for server %s failed unexpectedly", core, instance.uuid)
        tracker.erase(instance.uuid, None)
        tracker.built(instance.uuid)
        raise hooks.FatalHookException(f"FPGA: unexpected {type(error).__name__}; see nova-compute's log") from error
    if region_id is not None:
        LOG.info("Region %s runs IP core %s for server %s", region_id, core, instance.uuid)
        instance.fpga_device = region_id


def end_build(manager: Any, instance: Any, outcome: Any) -> None:
    """Erase the region of `instance` if its build failed, so that it may be built elsewhere.

    :param outcome: the exception that ended the build, or anything else if it succeeded
    """
    tracker = trackers.tracker(manager.rt)
    if tracker is None or core_requests.of_server(instance) is None:
        return
    try:
        if not isinstance(outcome, BaseException):
            return
        if _guest_exists(manager.driver, instance):
            # Its device would be given to the next server while it still holds the other end. The audit goes on
            # from here when the guest is gone.
            LOG.error("The build of server %s failed but its guest is still there: its region is kept", instance.uuid)
            tracker.counts.drop(instance.uuid)
        else:
            tracker.erase(instance.uuid, _device(instance))
        instance.fpga_device = None
    finally:
        tracker.built(instance.uuid)


def erase(manager: Any, context: Any, instance: Any) -> None:
    """Erase the region of a server that is being deleted and whose guest is gone."""
    tracker = trackers.tracker(manager.rt)
    if tracker is None or (core_requests.of_server(instance) is None and not _device(instance)):
        return
    tracker.erase(instance.uuid, _device(instance))
    if _device(instance) is not None:
        # A repeated deletion must not erase it again: with a stand-in it may be the next server's by then.
        instance.fpga_device = None
        try:
            instance.save()
        except exception.InstanceNotFound:
            LOG.debug("Server %s is deleted already", instance.uuid)
    trackers.push(manager.rt, context, instance.node)


def reconcile(rt: Any, context: Any, nodename: str, tracker: Tracker) -> None:
    """Erase the regions of servers that left this host without the delete hook: deleted while nova-compute was down,
    lost between burn and save, evacuated, shelved.

    :param rt: nova.compute.resource_tracker.ResourceTracker, whose lock is not held
    """
    orphans = tracker.orphans(rt.tracked_instances)
    for server, region_id in orphans:
        if _has_left(rt, context, nodename, server):
            LOG.warning("Erasing region %s: server %s has left this host", region_id, server)
            tracker.release(server, region_id)
    if orphans:
        tracker.audit()


def count_flavors(rt: Any, context: Any, tracker: Tracker) -> None:
    """Claim a region for each server of this host whose flavor asks for one: in simulation mode no card tells."""
    for instance in objects.InstanceList.get_by_host(context, rt.host, expected_attrs=["flavor"]):
        if core_requests.of_server(instance) is not None:
            tracker.counts.claim(instance.uuid)


def _requesters_token(context: Any) -> str:
    """Return the token of who boots the server: an IP core that an image asks for must be his to read.

    :raises fpga_nova.errors.ImageNotAvailable: the request has none
    """
    if not context.auth_token:
        raise errors.ImageNotAvailable("the image's own IP core needs the token of who boots the server; there is none")
    return str(context.auth_token)


def _device(instance: Any) -> str | None:
    """Return the region of `instance`; one that an unpatched peer sent has not even the field."""
    return instance.fpga_device if "fpga_device" in instance else None


def _guest_exists(driver: Any, instance: Any) -> bool:
    try:
        return bool(driver.instance_exists(instance))
    except Exception:
        LOG.exception("Cannot tell whether the guest of server %s exists; taking it that it does", instance.uuid)
        return True


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
