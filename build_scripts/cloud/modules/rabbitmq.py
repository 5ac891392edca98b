# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ, the message queue of Nova and Neutron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from build_scripts.cloud.daemon import Daemon
from build_scripts.cloud.module import File


class RabbitMQ(Daemon):
    """The broker, with epmd and Erlang's distribution on ports of their own and on the loopback only."""

    etc = ("rabbitmq",)
    directories = (("/var/lib/rabbitmq", "rabbitmq", 0o700), ("/var/log/rabbitmq", "rabbitmq", 0o755))
    user = "rabbitmq"
    port = "rabbitmq"

    def files(self) -> Mapping[str, File]:
        """Return the broker's configuration; the user in it is made at the first start."""
        text = "\n".join(
            [
                f"listeners.tcp.1 = 127.0.0.1:{self.state.port('rabbitmq')}",
                "default_user = openstack",
                f"default_pass = {self.state.secret('rabbitmq')}",
                "",
            ]
        )
        return {"/etc/rabbitmq/rabbitmq.conf": File(text, 0o640, group="rabbitmq")}

    def command(self) -> Sequence[str]:
        """Return the argument vector."""
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server"]

    def environment(self) -> Mapping[str, str]:
        """Return what the broker's start script reads."""
        return {
            "RABBITMQ_NODENAME": "rabbit@localhost",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_DIST_PORT": str(self.state.port("erlang")),
            "ERL_EPMD_PORT": str(self.state.port("epmd")),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # One scheduler thread: more of them spin for work on a machine with few cores.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
            # The script then becomes the Erlang machine, which ends by itself when asked to.
            "RUNNING_UNDER_SYSTEMD": "true",
        }


MODULE = RabbitMQ
