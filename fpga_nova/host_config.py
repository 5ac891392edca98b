# SPDX-License-Identifier: Apache-2.0
"""fpga-cli's configuration, read by oslo.config, and the drivers that it names."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

from fpga_nova import errors, paths
from fpga_nova.ip_cores import admission, policy
from fpga_nova.regions import quick_status


def load(config_files: Sequence[str], glance: bool = False) -> Any:
    """Read the configuration with the drivers' options; return oslo.config's `ConfigOpts`.

    :param glance: whether Glance is needed; its client takes as long to import as all the rest
    :raises fpga_nova.errors.ConfigurationInvalid: a file or a value cannot be used, or a driver is not installed
    """
    from oslo_config import cfg

    from fpga_nova.conf import GROUP, host_options

    for path in config_files:
        quick_status.read_configuration(path)
    conf = cfg.ConfigOpts()
    conf.register_opts(host_options.HOST_OPTS, GROUP)
    try:
        files = [path for path in config_files if path != paths.CONFIG_FILE or quick_status.read_configuration(path)]
        conf(args=[], project="fpga-nova", default_config_files=files, default_config_dirs=[])
        for driver in driver_classes(conf.fpga.devices).values():
            conf.register_opts(driver.options, GROUP)
        if glance:
            from fpga_nova.clients.glance import register_conf_options

            register_conf_options(conf, GROUP)
        for option in conf.fpga:
            conf.fpga[option]  # read here, so that a bad value is found before a card is touched
    except cfg.Error as error:
        raise errors.ConfigurationInvalid(f"configuration cannot be used: {error}") from error
    return conf


def admission_rules(conf: Any) -> admission.AdmissionRules:
    """Return the operator's rules for IP cores.

    :raises fpga_nova.errors.ConfigurationInvalid: the policy file, or an option, cannot be used
    """
    # An option that is set but empty is a mistake, and must not admit everything.
    policy_file, certificates = conf.fpga.policy_file, conf.fpga.signature_certificates
    return admission.AdmissionRules(
        state_path=pathlib.Path(conf.fpga.state_path).absolute(),
        policy=policy.load(pathlib.Path(policy_file)) if policy_file is not None else None,
        require_signature=conf.fpga.require_signature,
        certificates=pathlib.Path(certificates) if certificates is not None else None,
        scan_command=conf.fpga.scan_command,
        scan_timeout=conf.fpga.scan_timeout,
    )


def driver_classes(names: Sequence[str]) -> dict[str, Any]:
    """Return the driver classes with these entry-point names.

    :raises fpga_nova.errors.ConfigurationInvalid: one is not installed, or cannot be imported
    """
    from stevedore import DriverManager, exception

    classes: dict[str, Any] = {}
    for name in names:
        try:
            classes[name] = DriverManager("fpga_nova.devices", name, warn_on_missing_entrypoint=False).driver
        except (exception.NoMatches, ImportError) as error:
            raise errors.ConfigurationInvalid(
                f"[fpga] devices: there is no usable driver {name!r} (entry points of fpga_nova.devices): {error}"
            ) from error
    return classes


def list_host_opts() -> list[tuple[str, list[Any]]]:
    """Return the options of fpga-cli's file, for oslo-config-generator."""
    from keystoneauth1 import loading
    from stevedore import ExtensionManager

    from fpga_nova.clients.glance import conf_options
    from fpga_nova.conf import GROUP, host_options

    options = list(host_options.HOST_OPTS)
    manager: Any = ExtensionManager("fpga_nova.devices")
    for name in sorted(manager.names()):
        options.extend(manager[name].plugin.options)
    for keystone in conf_options().values():
        options.extend(keystone)
    options.extend(loading.get_auth_common_conf_options())
    options.extend(loading.get_auth_plugin_conf_options("password"))
    return [(GROUP, options)]
