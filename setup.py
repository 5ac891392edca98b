# SPDX-License-Identifier: Apache-2.0
"""Packaging of fpga-nova. The version comes from git's tags, see pyproject.toml."""

import pathlib

import setuptools_scm  # noqa: F401 - without it setuptools would call this version 0.0.0
from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent

setup(
    name="fpga-nova",
    description="FPGAs as a resource of OpenStack Nova: scheduled, programmed, attached, accounted for, wiped",
    long_description=(HERE / "README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    license="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Environment :: OpenStack",
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Information Technology",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: System :: Hardware",
    ],
    python_requires=">=3.9",
    packages=[
        *find_packages(include=["fpga_nova", "fpga_nova.*", "fpga_hooks", "fpga_hooks.*"]),
        "fpga_nova.patches",
    ],
    # The patches lie at the top of the source tree, where operators look for them; installed, they are package data.
    package_dir={"fpga_nova.patches": "patches"},
    package_data={
        "fpga_nova": ["**/*.json", "**/*.pcf", "**/*.bin", "**/*.c", "**/*.h", "**/*.yaml", "py.typed"],
        "fpga_nova.patches": ["*.patch", "*.yaml"],
    },
    data_files=[
        ("etc/nova/rootwrap.d", ["etc/nova/rootwrap.d/fpga.filters"]),
        # Below /usr/local systemd looks here, too.
        (
            "lib/systemd/system",
            [
                "etc/systemd/fpga-nova-metrics.service",
                "etc/systemd/fpga-nova-metrics.timer",
                "etc/systemd/fpga-nova-recover.service",
            ],
        ),
        ("etc/logrotate.d", ["etc/logrotate.d/fpga-nova"]),
        ("share/man/man8", ["share/man/man8/fpga-cli.8", "share/man/man8/fpga-nova.8"]),
        (
            "share/bash-completion/completions",
            ["share/bash-completion/completions/fpga-cli", "share/bash-completion/completions/fpga-nova"],
        ),
        ("share/zsh/site-functions", ["share/zsh/site-functions/_fpga-cli", "share/zsh/site-functions/_fpga-nova"]),
    ],
    # zipfile36 brought Python 3.6's zipfile to older interpreters; no supported Nova runs on one.
    install_requires=[
        "cliff>=4.0",
        "cryptography>=38",
        "jsonschema>=4.0",
        "keystoneauth1>=5.0",
        "oslo.concurrency>=5.0",
        "oslo.config>=9.0",
        "oslo.upgradecheck>=2.0",
        "prometheus_client>=0.16",
        "python-glanceclient>=4.1",
        "PyYAML>=5.1",
        "stevedore>=4.0",
        "tqdm>=4.60",
        "zipfile36>=0.1.3; python_version<'3.6'",
    ],
    extras_require={
        "nova": ["nova>=26"],
        "upload": ["openstacksdk>=1.0"],
    },
    scripts=["bin/fpga-cli"],
    entry_points={
        "console_scripts": [
            "fpga-nova = fpga_nova.fpga_nova_cli.main:main",
        ],
        "fpga_nova.devices": [
            "command = fpga_nova.devices.command:CommandDevice",
            "dfl = fpga_nova.devices.dfl:DflDevice",
            "fpga_region = fpga_nova.devices.fpga_region:FpgaRegionDevice",
            "openfpgaloader = fpga_nova.devices.openfpgaloader:OpenFpgaLoaderDevice",
            "sim = fpga_nova.devices.sim:SimDevice",
            "soft = fpga_nova.devices.soft:SoftDevice",
            "xrt = fpga_nova.devices.xrt:XrtDevice",
        ],
        "nova.hooks": [
            "build_instance = fpga_hooks:FpgaBuildInstanceHook",
            "delete_instance = fpga_hooks:FpgaDeleteInstanceHook",
        ],
        "nova.api.extra_spec_validators": ["fpga = fpga_nova.nova.extra_specs"],
        "oslo.config.opts": [
            "fpga_nova.nova = fpga_nova.conf.nova_options:list_nova_opts",
            "fpga_nova.host = fpga_nova.host_config:list_host_opts",
        ],
    },
)
