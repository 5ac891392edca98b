# SPDX-License-Identifier: Apache-2.0
"""The options of fpga-cli's own file, which only root can read; drivers and keystoneauth add theirs."""

from __future__ import annotations

from oslo_config import cfg

from fpga_nova import paths

HOST_OPTS = [
    cfg.StrOpt(
        "state_path",
        default=paths.STATE_PATH,
        help="Directory of the region store, the locks, the cache and everything else that outlives a reboot. "
        "Mode 0700. Read by fpga-cli.",
    ),
    cfg.StrOpt(
        "run_path",
        default=paths.RUN_PATH,
        help="Directory of the sockets of regions and of their servers, which a reboot ends. Keep it short: the path "
        "of a unix socket has room for 107 bytes. Read by fpga-cli.",
    ),
    cfg.ListOpt(
        "devices",
        default=["soft"],
        help="Drivers to load, by entry-point name in the namespace fpga_nova.devices. Read by fpga-cli.",
    ),
    cfg.StrOpt(
        "endpoint_group",
        help="Group that may connect to the sockets of regions: the one that QEMU runs in, e.g. `kvm`. Without it "
        "only the user that runs fpga-cli may. Read by fpga-cli.",
    ),
    cfg.IntOpt(
        "lock_timeout",
        default=60,
        min=0,
        help="Seconds that a burn or an erase waits for another one on the same region or for the store. "
        "Read by fpga-cli.",
    ),
    cfg.IntOpt(
        "max_archive_size",
        default=1024,
        min=1,
        help="Largest IP-core archive accepted, and the largest sum of what it unpacks to, in MiB. Read by fpga-cli.",
    ),
    cfg.StrOpt(
        "policy_file",
        help="Absolute path of the allow-list: a YAML file of rules by project, image_owner, vendor and function, of "
        "which one must admit an IP core. Only root may be able to write it and the directories above "
        "it. Without it every IP core is admitted. Read by fpga-cli.",
    ),
    cfg.StrOpt(
        "require_signature",
        default="if-present",
        choices=[
            ("never", "signatures are not checked"),
            (
                "if-present",
                "an image with any img_signature* property is burned only if the signature is good; without "
                "signature_certificates none is checked",
            ),
            ("always", "nothing is burned without a good signature, no local archive either"),
        ],
        help="Whether an IP core must be signed, by the image properties img_signature, img_signature_hash_method, "
        "img_signature_key_type and img_signature_certificate_uuid, in Glance's form. A user that may change an "
        "image's properties can remove its signature; only `always` protects from that. Read by fpga-cli.",
    ),
    cfg.StrOpt(
        "signature_certificates",
        help="Absolute path of the directory with the certificates of those who may sign IP cores, "
        "CERTIFICATE_UUID.pem; each is trusted for itself while it is valid. Only root may be able to write into it "
        "and the directories above it. Read by fpga-cli.",
    ),
    cfg.StrOpt(
        "scan_command",
        help="Absolute path of an executable that may refuse a bitstream. It is run as root before a region is "
        "touched, with the bitstream's path as its argument and what is known of it in the environment (FPGA_PROJECT, "
        "FPGA_IMAGE_ID, FPGA_BOARD, ...). Exit code 0 admits; with any other the end of its output is the reason. "
        "Read by fpga-cli.",
    ),
    cfg.IntOpt(
        "scan_timeout",
        default=60,
        min=1,
        help="Seconds that scan_command may take; then it is killed, and the bitstream refused. Keep it below "
        "burn_timeout. Read by fpga-cli.",
    ),
    cfg.IntOpt(
        "bitstream_cache_size",
        default=1024,
        min=0,
        help="MiB of bitstreams kept in `state_path`, so that they need not be fetched again; the least recently used "
        "go first. Bitstreams that regions hold are always kept, and count: `fpga-cli recover` loads them again after "
        "a reboot. Read by fpga-cli.",
    ),
]
