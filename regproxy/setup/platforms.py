"""The platforms that can be set up: what each is called, what its file is made of, and the command that applies it."""

from dataclasses import dataclass

from regproxy.setup.facts import Facts
from regproxy.setup.template import fill, template

_AS_ROOT = "curl -fsS {url} | sudo sh"
_AS_USER = "curl -fsS {url} | sh"


@dataclass(frozen=True, slots=True)
class Platform:
    """`parts` are templates, one after the other; `apply` is a command line with `{url}` for the file's own address."""

    name: str
    title: str
    parts: tuple[str, ...]
    apply: str

    def text(self, facts: Facts) -> str:
        """The file, ready to be run or applied."""
        values = facts.values() | {"TITLE": self.title}
        if any(part in _EMBEDDING for part in self.parts):
            values["NODE"] = NODE.text(facts).rstrip("\n")
        return fill("".join(map(template, self.parts)), values)

    def command(self, facts: Facts) -> str:
        """What to type, the file fetched from the proxy."""
        return self.apply.format(url=f"{facts.url}/setup/{self.name}")


def _service(name: str, title: str) -> Platform:
    return Platform(name, title, ("common.sh", "units.sh", f"{name}.sh", "service.sh"), _AS_ROOT)


_EMBEDDING = {"nodes.sh", "cloud-init.yaml", "ansible.yaml"}
# What is put into machines by other means sets up every daemon that it finds.
NODE = _service("node", "Whatever daemons it has")
PLATFORMS = (
    NODE,
    _service("docker", "Docker"),
    _service("containerd", "containerd"),
    _service("k3s", "k3s"),
    _service("rke2", "RKE2"),
    _service("crio", "CRI-O"),
    Platform("podman", "podman and buildah", ("common.sh", "podman.sh"), _AS_ROOT),
    Platform("buildkit", "BuildKit", ("common.sh", "units.sh", "buildkit.sh"), _AS_USER),
    Platform("kind", "kind", ("common.sh", "reachable.sh", "nodes.sh", "kind.sh"), _AS_USER),
    Platform("k3d", "k3d", ("common.sh", "reachable.sh", "k3d.sh"), _AS_USER),
    Platform("minikube", "minikube", ("common.sh", "reachable.sh", "nodes.sh", "minikube.sh"), _AS_USER),
    Platform(
        "talos",
        "Talos",
        ("talos.yaml",),
        "curl -fsS -o talos.yaml {url} && talosctl patch machineconfig --patch @talos.yaml",
    ),
    Platform("bottlerocket", "Bottlerocket", ("bottlerocket.toml",), "curl -fsS {url} >> user-data.toml"),
    Platform("cloud-init", "cloud-init", ("cloud-init.yaml",), "curl -fsS -o user-data {url}"),
    Platform(
        "ansible", "Ansible", ("ansible.yaml",), "curl -fsS -o regproxy.yaml {url} && ansible-playbook regproxy.yaml"
    ),
    Platform("desktop", "Docker Desktop", ("desktop.txt",), "curl -fsS {url}"),
    Platform("systemd", "Docker, system trust", ("systemd.sh",), _AS_ROOT),
)


def platform(name: str) -> Platform | None:
    """The platform of this name."""
    return next((known for known in PLATFORMS if known.name == name), None)
