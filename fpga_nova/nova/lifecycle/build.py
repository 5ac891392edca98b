# SPDX-License-Identifier: Apache-2.0
"""The region of a server from its build to its deletion: burned, erased after a failure, erased at the end."""

from __future__ import annotations

import logging
from typing import Any

from nova import exception

from fpga_nova import errors
from fpga_nova.nova import core_requests, hooks, instances
from fpga_nova.nova.claims import trackers

LOG = logging.getLogger(__name__)


def burn(manager: Any, context: Any, instance: Any) -> None:
    """Program a region of this host for `instance`, whose claim stands.

    The region's id is written to the database with the instance's next save, which Nova does at once; until then the
    host's region store knows which server has it.

    :raises fpga_nova.nova.hooks.FatalHookException: with the tool's own message; nothing of the core is left
    """
    tracker = trackers.tracker_for(manager.rt)
    if tracker is None:
        return
    request = core_requests.of_instance(instance)
    if request is None:
        return
    core = request.image_id
    try:
        token = _requesters_token(context) if request.from_image else None
        region_id = tracker.burn(instance.uuid, core, instance.project_id, token)
    except errors.FpgaError as error:
        raise hooks.FatalHookException(f"FPGA: {error}") from error
    except Exception as error:
        # Any other exception of a hook is ignored, and the server would come up without the core that it asks for.
        LOG.exception("Burning IP core %s for server %s failed unexpectedly", core, instance.uuid)
        tracker.erase(instance.uuid, None)
        tracker.build_finished(instance.uuid)
        raise hooks.FatalHookException(f"FPGA: unexpected {type(error).__name__}; see nova-compute's log") from error
    if region_id is not None:
        LOG.info("Region %s runs IP core %s for server %s", region_id, core, instance.uuid)
        instance.fpga_device = region_id


def end_build(manager: Any, instance: Any, outcome: Any) -> None:
    """Erase the region of `instance` if its build failed, so that it may be built elsewhere.

    :param outcome: the exception that ended the build, or anything else if it succeeded
    """
    tracker = trackers.tracker_for(manager.rt)
    if tracker is None or core_requests.of_instance(instance) is None:
        return
    try:
        if not isinstance(outcome, BaseException):
            return
        if _guest_exists(manager.driver, instance):
            # Its device would be given to the next server while this guest still has the other end. Once the guest
            # is gone, the audit erases the region.
            LOG.error("The build of server %s failed but its guest is still there: its region is kept", instance.uuid)
            tracker.counts.release_claim(instance.uuid)
        else:
            tracker.erase(instance.uuid, instances.region_id(instance))
        instance.fpga_device = None
    finally:
        tracker.build_finished(instance.uuid)


def erase(manager: Any, context: Any, instance: Any) -> None:
    """Erase the region of a server that is being deleted and whose guest is gone."""
    tracker = trackers.tracker_for(manager.rt)
    region_id = instances.region_id(instance)
    if tracker is None or (core_requests.of_instance(instance) is None and region_id is None):
        return
    tracker.erase(instance.uuid, region_id)
    if region_id is not None:
        # A repeated deletion must not erase it again: with a stand-in it may be the next server's by then.
        instance.fpga_device = None
        try:
            instance.save()
        except exception.InstanceNotFound:
            LOG.debug("Server %s is deleted already", instance.uuid)
    trackers.save(manager.rt, context, instance.node)


def _requesters_token(context: Any) -> str:
    """Return the token of the user that boots the server: that user must be allowed to read the image's own IP core.

    :raises fpga_nova.errors.ImageNotAvailable: the request has none
    """
    if not context.auth_token:
        raise errors.ImageNotAvailable(
            "the image's own IP core needs the token of the user that boots the server; there is none"
        )
    return str(context.auth_token)


def _guest_exists(driver: Any, instance: Any) -> bool:
    try:
        return bool(driver.instance_exists(instance))
    except Exception:
        LOG.exception("Cannot tell whether the guest of server %s exists; assuming that it does", instance.uuid)
        return True
