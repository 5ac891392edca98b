# SPDX-License-Identifier: Apache-2.0
"""The story that `make debian` tells: install, patch, boot, upgrade, take back; each check is counted."""

from __future__ import annotations

import hashlib
import json
import pathlib
import re
import shutil

from build_scripts import bootstrap
from build_scripts.lib import paths
from build_scripts.lib.state import State
from tests.debian import container, packages
from tests.debian.cloud import Cloud
from tests.debian.root import Root, wait
from tests.support.telling import Telling

_NOVA = "/usr/lib/python3/dist-packages/nova"
#: Where the tree of fpga-nova is put, in a directory of its own: the one is built, the other Docker's context.
_CLONE = "/srv/clone/fpga-nova"
_APT = ("apt-get", "--quiet", "--yes", "--option", "Dpkg::Options::=--force-confold")
_REINSTALL = (*_APT, "install", "--reinstall", "python3-nova")

#: The function that the update that cannot be patched has changed.
_FUNCTION = "compute/claims.py: Claim._claim_test"

#: Tells how Nova is whenever a package wants to start or stop a service, and forbids it (invoke-rc.d(8)).
_POLICY = """\
#!/bin/sh
/usr/local/bin/fpga-nova patch status > /dev/null 2>&1
echo "$1 $2 $?" >> /srv/services
exit 101
"""

_HOST_CONF = """\
[fpga]
devices = sim
sim_cards = card0:board:2
auth_type = password
auth_url = http://127.0.0.1:5000/v3
username = fpga
password = {password}
project_name = fpga
user_domain_name = Default
project_domain_name = Default
"""

_CORE = {
    "manifest_version": 1, "name": "core", "version": "1", "vendor": "sim",
    "function": {"type": "test", "id": "f54a2d7c-4c4e-4bd3-8bde-0d6b3a0b8a11"},
    "bitstreams": [{"file": "core.bin", "board": "board", "region_type": "stream"}],
}  # fmt: skip


class Story(Telling):
    """One telling, in namespaces of its own."""

    def __init__(self, state: State) -> None:
        super().__init__(state.path / "logs/debian-commands.log")
        self.state = state
        self.changed: list[str] = []
        directory = state.path / "debian"
        self.base = directory / "base"
        (state.path / "logs").mkdir(exist_ok=True)
        self.root = Root(self.base, directory / "run", state.path / "logs")
        self.cloud = Cloud(self.root)
        self.flavor: dict[str, str] = {}

    def tell(self) -> int:
        """Tell it; return how many checks there were.

        :raises CloudError: one of them failed
        """
        with self.step("fpga-nova is installed as the manual says"):
            self.install()
        with self.step("the packages' Nova is patched"):
            self.patch()
        with self.step("MariaDB, RabbitMQ, Keystone, Glance and Placement of Debian's packages"):
            self.cloud.configure()
            self.cloud.start_infrastructure()
        with self.step("nova-manage db sync adds the columns"):
            self.columns()
        with self.step("Nova's services report, and a server with an FPGA boots and goes"):
            self.offer_core()
            self.cloud.start_nova()
            self.boot()
        with self.step("the packages are installed again: nothing watches"):
            self.unwatched()
        with self.step("... with `fpga-nova patch watch warn`"):
            self.watch_warns()
        with self.step("... with `fpga-nova patch watch reapply`, and a security update"):
            self.watch_reapplies()
        with self.step("an update whose Nova the series does not fit"):
            self.watch_cannot()
        with self.step("the patch is taken back, and the packages go"):
            self.take_back()
        with self.step("a container's image with a patched Nova"):
            self.contain()
        return self.checks

    # The parts.

    def install(self) -> None:
        """Install the tree as an operator does, offline: all that it needs comes as Debian's packages."""
        root = self.root
        copy = root.file(_CLONE)
        for part in bootstrap.PRODUCT:
            source, target = paths.CLONE / part, copy / part
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        for name in ("client.py", "hang.py"):
            shutil.copyfile(pathlib.Path(__file__).with_name(name), root.file(f"/srv/{name}"))
        root.run(
            "pip", "install", "--break-system-packages", "--no-deps", "--no-build-isolation", "/srv/clone/fpga-nova"
        )
        done = root.run("python3", "-c", "import pkg_resources; pkg_resources.require('fpga-nova')")
        self.check(done.returncode == 0, "Debian's packages are all that fpga-nova requires")
        root.write("/usr/sbin/policy-rc.d", _POLICY, 0o755)

    def patch(self) -> None:
        """Patch Nova; see what Debian's own tools say of that."""
        root = self.root
        self.check(root.run("dpkg", "--verify", "python3-nova").stdout == "", "dpkg --verify is silent before")
        self.check(self.status()[0] == 3, "status: not patched")
        root.run("fpga-nova", "patch", "check")
        done = root.run("fpga-nova", "patch", "apply")
        self.changed = [f"{_NOVA}/{name}" for name in re.findall(r"^  changed (\S+)$", done.stdout, re.MULTILINE)]
        self.say(f"{len(self.changed)} files of the package changed")
        self.check(self.status()[0] == 0, "status: patched")
        self.check("already applied" in root.run("fpga-nova", "patch", "apply").stdout, "a second apply does nothing")
        self.verified(self.changed)
        done = root.run("debsums", "--changed", "python3-nova", expect=2)
        self.check(sorted(done.stdout.split()) == self.changed, "debsums names the changed files and no others")

    def columns(self) -> None:
        """Let Nova make its tables."""
        cloud = self.cloud
        cloud.sync_nova()
        cloud.root.run("nova-manage", "db", "sync", user="nova")
        for database in ("nova", "nova_cell0"):
            found = cloud.sql(
                "SELECT table_name, column_name, is_nullable FROM information_schema.columns"
                f" WHERE table_schema = '{database}' AND column_name LIKE 'fpga%'"
            )
            wanted = {
                (f"{shadow}{table}", column, "YES")
                for shadow in ("", "shadow_")
                for table, column in (
                    ("compute_nodes", "fpga_regions"), ("compute_nodes", "fpga_regions_used"),
                    ("instances", "fpga_device"),
                )
            }  # fmt: skip
            rows = [tuple(line.split("\t")) for line in found.splitlines()]
            self.check(set(rows) == wanted and len(rows) == len(wanted), f"{database} has the columns")

    def offer_core(self) -> None:
        """Set up the host, upload an IP core, make a flavor with it."""
        root, cloud = self.root, self.cloud
        root.run("install", "-m", "644", f"{_CLONE}/etc/nova/rootwrap.d/fpga.filters", "/etc/nova/rootwrap.d/")
        root.write("/etc/fpga-nova/fpga-nova.conf", _HOST_CONF.format(password=cloud.password), 0o600)
        done = root.run(
            "sudo", "-n", "nova-rootwrap", "/etc/nova/rootwrap.conf", "fpga-cli", "status", user="nova", expect=0
        )
        self.check(done.stdout == "Used regions: 0/2\n", "nova gets to fpga-cli by sudo and rootwrap")
        root.write("/srv/hang", "#!/bin/sh\nexec sleep 60\n", 0o755)
        said = root.run("python3", "/srv/hang.py", "/srv/hang").stdout
        self.check("erase did not end within 1 seconds" in said, "a tool that hangs is given up, under eventlet too")
        root.write("/srv/core/core.json", json.dumps(_CORE))
        root.write("/srv/core/core.bin", "a bitstream for a simulated card\n" * 32)
        root.run("fpga-cli", "pack", "/srv/core", "-o", "/srv/core.zip")
        login = {
            "OS_AUTH_URL": "http://127.0.0.1:5000/v3", "OS_USERNAME": "admin", "OS_PASSWORD": cloud.password,
            "OS_PROJECT_NAME": "admin", "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_REGION_NAME": "RegionOne", "OS_IDENTITY_API_VERSION": "3",
        }  # fmt: skip
        upload = root.run("fpga-cli", "upload", "/srv/core.zip", "--visibility", "public", env=login)
        self.core = upload.stdout.split()[-1]

    def boot(self) -> None:
        """Boot a server with an FPGA, look at its region, delete it, look again."""
        cloud = self.cloud
        if not self.flavor:
            self.flavor = cloud.user("prepare", self.core)
        wait("the host counts its regions", lambda: cloud.columns() == (0, 2))
        server = cloud.user("boot", self.flavor["flavor"], self.flavor["image"])
        self.check(server["status"] == "ACTIVE", f"a server with an FPGA is ACTIVE, fault: {server['fault']}")
        held = [region for region in cloud.regions() if region["owner"] == server["id"]]
        states = [region["state"] for region in held]
        self.check(states == ["programmed"], f"it has a programmed region, by fpga-cli ({states})")
        device = cloud.sql(f"SELECT fpga_device FROM nova.instances WHERE uuid = '{server['id']}'")
        self.check(device == held[0]["id"], "and by Nova's database")
        wanted = hashlib.sha256(self.root.file("/srv/core/core.bin").read_bytes()).hexdigest()
        self.check(held[0]["bitstream_sha256"] == wanted, "which holds the IP core's bitstream")
        self.check(bool(wait("used regions are counted", lambda: cloud.columns() == (1, 2))), "the host counts it")
        self.check(cloud.user("delete", server["id"]), "the server is deleted")
        wait("the region is erased", lambda: {region["state"] for region in cloud.regions()} == {"free"})
        memories = [path for path in self.root.file("/var/lib/fpga-nova/sim/card0").iterdir() if path.is_file()]
        self.check(not [path for path in memories if path.stat().st_size], "its region is erased on the card")
        self.check(bool(wait("free regions are counted", lambda: cloud.columns() == (0, 2))), "the host counts that")

    def unwatched(self) -> None:
        """Without a watch the patch is silently gone; status says so, apply mends it."""
        root = self.root
        self.check("watch: off" in root.run("fpga-nova", "patch", "watch").stdout, "no watch is set up")
        root.run(*_REINSTALL)
        code, text = self.status()
        self.check(code == 5 and "replaced since" in text, "status: replaced since")
        self.check("`apply` patches it again" in text, "status: apply would patch it again")
        root.run("fpga-nova", "patch", "apply")
        self.check(self.status()[0] == 0, "apply patches it again")

    def watch_warns(self) -> None:
        """A watch that warns: loud, and apt goes on."""
        root = self.root
        self.check("watch: warn" in root.run("fpga-nova", "patch", "watch", "warn").stdout, "watch: warn")
        root.heard()
        done = root.run(*_REINSTALL)
        warning = "fpga-nova: WARNING: Nova 26.2.2 at /usr/lib/python3/dist-packages/nova: patched when it was 26.2.2"
        self.check(warning in done.stdout, "apt's output has the warning, and apt ends well")
        self.check("is not patched now" in root.heard(), "so does syslog")
        self.check(self.status()[0] == 5, "nothing was applied")
        root.run("fpga-nova", "patch", "apply")

    def watch_reapplies(self) -> None:
        """A watch that applies the patch again, before the services start."""
        root = self.root
        root.run("fpga-nova", "patch", "watch", "reapply")
        self.check("watch: reapply" in root.run("fpga-nova", "patch", "watch").stdout, "watch: reapply")
        done = root.run(*_REINSTALL)
        self.check("is patched again" in done.stdout, "a reinstalled python3-nova is patched again")
        self.check(self.status()[0] == 0, "status: patched")
        self.verified(self.changed)

        marker = "# changed by an update\n"
        archives = packages.update(root, self.nova_packages(), "+fpga1", {packages.CLAIMS: lambda text: marker + text})
        root.file("/srv/services").unlink(missing_ok=True)
        self.cloud.stop_nova()
        done = root.run(*_APT, "install", *archives)
        self.check("is patched again" in done.stdout, "an update with another claims.py is patched again")
        self.check(root.file(packages.CLAIMS).read_text().startswith(marker), "claims.py is the update's")
        self.check(self.status()[0] == 0, "status: patched")
        # An action is in parentheses where there is no runlevel, as here.
        lines = re.sub("[()]", "", root.file("/srv/services").read_text()).splitlines()
        starts = [(name, code) for name, action, code in map(str.split, lines) if action in ("start", "restart")]
        started = {name for name, _ in starts}
        self.check(
            {"nova-conductor", "nova-scheduler", "nova-compute", "nova-api"} <= started,
            f"the update restarts Nova's services ({', '.join(sorted(started))})",
        )
        early = [name for name, code in starts if code != "0"]
        self.check(not early, f"and each restart found Nova patched (all but {early})")
        root.run("fpga-nova", "patch", "watch", "reapply")
        self.check(root.run("dpkg", "--audit").stdout == "", "dpkg has nothing half done")
        self.cloud.start_nova()
        self.boot()

    def watch_cannot(self) -> None:
        """An update that changed a function which the series touches: loud, apt goes on, status says which."""
        root = self.root
        self.cloud.stop_nova()
        archives = packages.update(
            root,
            self.nova_packages(),
            "+fpga2",
            # The hunk in this function fits as ever; that the function is another is what tells.
            {packages.CLAIMS: lambda text: text.replace("if len(reasons) > 0:", "if reasons:")},
        )
        root.heard()
        done = root.run(*_APT, "install", *archives)
        self.check("fpga-nova: WARNING: Nova could not be patched again" in done.stdout, "apt's output has a warning")
        self.check(_FUNCTION in root.heard(), "syslog too, and it names the function")
        code, text = self.status()
        self.check(code == 5 and "would be refused" in text and _FUNCTION in text, f"status says why: {text.strip()}")
        done = root.run("fpga-nova", "patch", "apply", expect=1)
        self.check(_FUNCTION in done.stdout, "apply is refused, and says the same")
        self.verified([])
        self.check(root.run("dpkg", "--audit").stdout == "", "dpkg has nothing half done")

    def take_back(self) -> None:
        """Everything goes: the watch, the patch, the packages; nothing of ours is left in Nova."""
        root = self.root
        root.run("fpga-nova", "patch", "revert")
        self.verified([])
        self.check(not root.file(f"{_NOVA}/.fpga-nova").exists(), "the record is gone")
        self.check(not root.file(f"{_NOVA}/compute/fpga.py").exists(), "what the series added is gone")
        quiet = root.run(*_REINSTALL[:-1], "--allow-downgrades", *self._first_versions())
        self.check("fpga-nova:" not in quiet.stdout, "the watch leaves a Nova alone that is not patched")
        root.run("fpga-nova", "patch", "apply")
        root.run("fpga-nova", "patch", "revert")
        self.verified([])
        root.run("fpga-nova", "patch", "apply")
        done = root.run(*_APT, "purge", *self.nova_packages())
        self.check("there is no Nova" in done.stdout, "purging the packages of a patched Nova tells what it leaves")
        self.check("watch: off" in root.run("fpga-nova", "patch", "watch", "off").stdout, "watch off")
        gone = root.run("dpkg-query", "--show", "fpga-nova-watch", expect=1)
        self.check("no packages found" in gone.stdout, "no package of ours is left")

    def contain(self) -> None:
        """Build the manual's Dockerfile over an image of these packages; look at the Nova in a container."""
        docker = container.Docker(self.state)
        docker.load(self.base, "nova")
        docker.run("run", "--rm", "--network=none", "nova", "test", "!", "-e", f"{_NOVA}/compute/fpga.py")
        built = container.build(docker, self.root.file("/srv/clone"), "nova", "nova-fpga")
        self.check("patched; now `nova-manage db sync`" in built, "docker build patches Nova")
        inside = ("run", "--rm", "--network=none", "nova-fpga")
        self.check(
            ": patched, " in docker.run(*inside, "fpga-nova", "patch", "status").stdout,
            "status in a container: patched",
        )
        program = "from nova.objects import instance; print('fpga_device' in instance.Instance.fields)"
        done = docker.run(*inside, "python3", "-W", "ignore", "-c", program)
        self.check(done.stdout.split()[-1] == "True", "Nova there has the fields")
        history = docker.run("history", "--no-trunc", "--format={{.Size}}\t{{.CreatedBy}}", "nova-fpga").stdout
        self.say(f"the layer with the patch: {history.splitlines()[0].split()[0]}")
        docker.stop()

    # Shared steps.

    def status(self) -> tuple[int, str]:
        """Return exit code and output of `fpga-nova patch status`."""
        done = self.root.run("fpga-nova", "patch", "status", expect=None)
        return done.returncode, done.stdout

    def verified(self, changed: list[str]) -> None:
        """Require that `dpkg --verify` names these files and no others."""
        done = self.root.run("dpkg", "--verify", "python3-nova", expect=None)
        named = [line.split()[-1] for line in done.stdout.splitlines()]
        self.check(sorted(named) == changed, f"dpkg --verify names {len(changed)} files")

    def nova_packages(self) -> list[str]:
        """Return the installed packages made of Nova's source."""
        listing = self.root.run(
            "dpkg-query", "--show", "--showformat", "${source:Package} ${Package} ${db:Status-Status}\n"
        ).stdout
        rows = [line.split() for line in listing.splitlines()]
        return [name for source, name, status in rows if source == "nova" and status == "installed"]

    def _first_versions(self) -> list[str]:
        archives = self.root.file("/var/cache/apt/archives")
        return [
            f"/var/cache/apt/archives/{archive.name}"
            for name in self.nova_packages()
            for archive in archives.glob(f"{name}_*.deb")
        ]
