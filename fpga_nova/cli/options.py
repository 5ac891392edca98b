# SPDX-License-Identifier: Apache-2.0
"""fpga-cli's configuration: its file, the fast look at it, and the full reading by oslo.config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fpga_nova import errors, paths


def quick_state_path(config_files: Sequence[str]) -> str | None:
    """Return state_path as `status` needs it, without oslo.config (150 ms); None where only that can tell.

    :raises fpga_nova.errors.ConfigurationInvalid: a file cannot be read
    """
    value = paths.STATE_PATH
    for path in config_files:
        in_group = False
        for line in _read(path).splitlines():
            if line[:1].isspace() and in_group:
                return None  # it may go on a value of ours over several lines
            if line.startswith("["):
                in_group = line.strip() == "[fpga]"
            elif in_group:
                name, found, text = line.partition("=")
                if found and name.strip() == "state_path":
                    value = text.strip().strip("\"'")
    return None if "$" in value or not value else value


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs 4 ms of the 20 that a status takes
            return file.read()
    except FileNotFoundError:
        if path == paths.CONFIG_FILE:
            return ""
        raise errors.ConfigurationInvalid(f"configuration file {path} is not there") from None
    except (OSError, ValueError) as error:
        raise errors.ConfigurationInvalid(f"configuration file {path} cannot be read: {error}") from error


def load(config_files: Sequence[str], glance: bool = False) -> Any:
    """Read the configuration with oslo.config, the drivers' options among it; returns its `ConfigOpts`.

    :param glance: whether Glance is needed, whose client takes as long to import as all the rest
    :raises fpga_nova.errors.ConfigurationInvalid: a file or a value cannot be used, or a driver is not installed
    """
    from oslo_config import cfg

    from fpga_nova import config

    for path in config_files:
        _read(path)
    conf = cfg.ConfigOpts()
    conf.register_opts(config.HOST_OPTS, config.GROUP)
    try:
        files = [path for path in config_files if path != paths.CONFIG_FILE or _read(path)]
        conf(args=[], project="fpga-nova", default_config_files=files, default_config_dirs=[])
        for driver in driver_classes(conf.fpga.devices).values():
            conf.register_opts(driver.options, config.GROUP)
        if glance:
            from fpga_nova.clients.glance import register_conf_options

            register_conf_options(conf, config.GROUP)
        for option in conf.fpga:
            conf.fpga[option]  # read once here, so that a bad value is found before anything is touched
    except cfg.Error as error:
        raise errors.ConfigurationInvalid(f"configuration cannot be used: {error}") from error
    return conf


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

    from fpga_nova import config
    from fpga_nova.clients.glance import conf_options

    options = list(config.HOST_OPTS)
    manager: Any = ExtensionManager("fpga_nova.devices")
    for name in sorted(manager.names()):
        options.extend(manager[name].plugin.options)
    for keystone in conf_options().values():
        options.extend(keystone)
    options.extend(loading.get_auth_common_conf_options())
    options.extend(loading.get_auth_plugin_conf_options("password"))
    return [(config.GROUP, options)]
