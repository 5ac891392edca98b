# SPDX-License-Identifier: Apache-2.0
"""Which IP core a server asks for: its flavor says it, or, where the operator allows that, its image."""

from __future__ import annotations

import dataclasses
from typing import Any

from fpga_nova.nova import options

#: The extra spec whose value is the Glance id (a UUID) of the IP core that the server's region is programmed with.
EXTRA_SPEC = "hw:fpga_ip_id"

#: The image property of the same meaning; it counts only with `[fpga] image_ip_cores`, and a flavor's comes first.
IMAGE_PROPERTY = "hw_fpga_ip_id"

# Nova keeps an image's properties in the server's system_metadata, with this prefix.
_SYSTEM_METADATA_KEY = f"image_{IMAGE_PROPERTY}"

# The scheduler gets the image without the properties that Nova does not know, so the API hands this one over as a
# scheduler hint. What a user puts there says nothing: the API overwrites it, or takes it away; without the option
# nobody looks at it.
_HINT = "fpga_ip_id"


@dataclasses.dataclass(frozen=True)
class Wish:
    """An IP core that is asked for.

    :param image_id: its Glance id, as it was written: whether it is a UUID is checked where it is used
    :param by_image: whether the server's image asks for it; it is fetched with the rights of who boots the server
    """

    image_id: str
    by_image: bool = False


def of_flavor(flavor: Any) -> Wish | None:
    """Return what `flavor` (a nova.objects.Flavor) asks for, or None."""
    core = _text((flavor.extra_specs or {}).get(EXTRA_SPEC))
    return Wish(core) if core else None


def of_server(instance: Any) -> Wish | None:
    """Return what a nova.objects.Instance asks for, or None."""
    wish = of_flavor(instance.flavor)
    if wish is None and options.CONF.fpga.image_ip_cores and "system_metadata" in instance:
        core = _text(instance.system_metadata.get(_SYSTEM_METADATA_KEY))
        return Wish(core, by_image=True) if core else None
    return wish


def of_request(spec: Any) -> str | None:
    """Return the image id of the IP core that a nova.objects.RequestSpec asks for, or None."""
    if "flavor" in spec and "extra_specs" in spec.flavor:
        wish = of_flavor(spec.flavor)
        if wish is not None:
            return wish.image_id
    if options.CONF.fpga.image_ip_cores and "scheduler_hints" in spec and spec.scheduler_hints:
        return _text(next(iter(spec.scheduler_hints.get(_HINT, ())), None))
    return None


def hand_over(spec: Any, image: Any) -> None:
    """Tell the scheduler, in a new RequestSpec, of the IP core that the server's image asks for. Runs in the API.

    :param image: the image's metadata, a dict, or what stands for one of a server that boots from a volume
    """
    if not options.CONF.fpga.image_ip_cores:
        return
    core = _text((image.get("properties") or {}).get(IMAGE_PROPERTY))
    hints = dict(spec.scheduler_hints or {})
    if core is None and _HINT not in hints:
        return
    hints.pop(_HINT, None)
    if core is not None:
        hints[_HINT] = [core]
    spec.scheduler_hints = hints


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
