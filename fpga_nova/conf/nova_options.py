# SPDX-License-Identifier: Apache-2.0
"""The options of nova.conf, which Nova's processes read; `fpga_nova.nova.options` registers them."""

from __future__ import annotations

from oslo_config import cfg

from fpga_nova import paths
from fpga_nova.conf import GROUP

NOVA_DEFAULT_OPTS = [
    cfg.BoolOpt(
        "fpga_access",
        default=False,
        help="""
Whether servers on this compute host may use its FPGAs. With False (the default) nothing of fpga-nova runs on this
host. Read by nova-compute.
""",
    ),
    cfg.BoolOpt(
        "fpga_simulation_mode",
        default=True,
        help="""
If True, nothing is programmed or erased: regions are reported and claimed, but no IP core is burned and no device
reaches the guest. Use it to try the scheduling on a cloud without cards. Read by nova-compute.
""",
    ),
    cfg.StrOpt(
        "fpga_exec",
        help="""
The command that burns, erases and reports FPGA regions, run as root through rootwrap; normally `fpga-cli`. Any
executable that honours fpga-cli's contract for `burn IMAGE_ID`, `erase REGION_ID` and `status` can stand in for it;
one whose file name is not `fpga-cli` is called with nothing beyond that contract. Required where fpga_access is True.
Read by nova-compute.
""",
    ),
]

NOVA_OPTS = [
    cfg.IntOpt(
        "burn_timeout",
        default=600,
        min=1,
        help="Seconds that a burn (download and programming) may take before the build on this host fails. "
        "Read by nova-compute.",
    ),
    cfg.IntOpt(
        "erase_timeout",
        default=120,
        min=1,
        help="Seconds that an erase may take before it counts as failed. Read by nova-compute.",
    ),
    cfg.BoolOpt(
        "image_ip_cores",
        default=False,
        help="""
Whether the property `hw_fpga_ip_id` of a server's image counts like `hw:fpga_ip_id` of its flavor, which comes first.
Such an IP core is fetched with the token of the user that boots the server, so users may bring their own. fpga-cli's
policy_file and require_signature then decide what they may program. Read by nova-api, nova-scheduler and
nova-compute, which must agree.
""",
    ),
    cfg.StrOpt(
        "endpoint_path",
        default=f"{paths.RUN_PATH}/{paths.ENDPOINTS}",
        help="Directory of the sockets of programmed regions, REGION_ID.sock; the same value as fpga-cli's run_path "
        "plus `/endpoints`. Read by nova-compute.",
    ),
]


def list_nova_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of nova.conf, for oslo-config-generator."""
    return [("DEFAULT", NOVA_DEFAULT_OPTS), (GROUP, NOVA_OPTS)]
