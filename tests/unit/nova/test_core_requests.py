# SPDX-License-Identifier: Apache-2.0
"""The IP core of an image on its way from the API to the scheduler."""

from __future__ import annotations

import pytest
from nova import objects

from fpga_nova.nova import core_requests, options

CORE = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
IMAGE = {"properties": {"hw_fpga_ip_id": CORE}}
FORGED = {"fpga_ip_id": ["8c23dd83-f950-40e6-8c23-9dab7f3f0138"], "group": ["g"]}


@pytest.fixture
def allowed():
    options.CONF.set_override("image_ip_cores", True, group="fpga")
    yield
    options.CONF.clear_override("image_ip_cores", group="fpga")


def spec(hints=None):
    flavor = objects.Flavor(extra_specs={})
    made = objects.RequestSpec(flavor=flavor, scheduler_hints=hints)
    made.obj_reset_changes(recursive=True)
    return made


@pytest.mark.parametrize("hints", [None, {}, FORGED])
def test_core_of_an_image_is_ignored_unless_allowed(hints):
    one = spec(hints)
    core_requests.hand_over(one, IMAGE)
    assert not one.obj_what_changed() and one.scheduler_hints == hints
    assert core_requests.of_request_spec(one) is None


@pytest.mark.parametrize("hints", [None, {}, FORGED])
def test_core_of_an_image_reaches_the_scheduler_where_allowed(allowed, hints):
    one = spec(hints)
    core_requests.hand_over(one, IMAGE)
    assert core_requests.of_request_spec(one) == core_requests.CoreRequest(CORE, from_image=True)
    assert one.scheduler_hints.get("group") == (hints or {}).get("group")


@pytest.mark.parametrize("image", [{}, {"properties": None}, {"properties": {"hw_fpga_ip_id": ""}}])
def test_hint_of_a_user_is_removed(allowed, image):
    one = spec(FORGED)
    core_requests.hand_over(one, image)
    assert core_requests.of_request_spec(one) is None and one.scheduler_hints == {"group": ["g"]}
    one = spec({"group": ["g"]})
    core_requests.hand_over(one, image)
    assert not one.obj_what_changed()
