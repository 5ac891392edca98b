# SPDX-License-Identifier: Apache-2.0
"""Nova's own validation of extra specs, with ours registered as it registers plug-ins."""

from __future__ import annotations

import pytest
from nova import exception
from nova.api.validation.extra_specs import validators

from fpga_nova.nova import extra_specs

CORE = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    for validator in extra_specs.register():
        monkeypatch.setitem(validators.VALIDATORS, validator.name, validator)


def test_uuid_is_accepted():
    validators.validate("hw:fpga_ip_id", CORE)


@pytest.mark.parametrize(
    "value", ["", "lzo", CORE + "\n", " " + CORE, CORE.upper(), CORE.replace("-", ""), f"{{{CORE}}}"]
)
def test_value_that_is_not_a_canonical_uuid_is_refused(value):
    with pytest.raises(exception.ValidationError, match="is not of the format"):
        validators.validate("hw:fpga_ip_id", value)


def test_similar_name_stays_unknown():
    with pytest.raises(exception.ValidationError, match="does not appear to be a valid extra spec"):
        validators.validate("hw:fpga_ip", CORE)
