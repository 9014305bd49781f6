"""What leaves the checkout: the wheel, the locks, the image's files and the two start scripts."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from regproxy.settings.floors import FLOORS

ROOT = Path(__file__).parents[1]
LOCKS = (
    "deploy/requirements.lock",
    "deploy/build.lock",
    "tests/requirements.lock",
    "tests/helm.lock",
    "deploy/otel.lock",
)
SCRIPTS = (
    "deploy/serve.sh",
    "deploy/demo.sh",
    "deploy/entrypoint.sh",
    "deploy/environment.sh",
    "tests/run.sh",
    ".ci/run",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as the locked build backend makes it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    (made,) = folder.glob("regproxy-*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel in it; its libraries are those of this run."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "-q"]
    command += ["--disable-pip-version-check", "--no-deps", "--no-index", str(wheel)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    (packages / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return folder


def _run(installed: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(installed / "bin" / arguments[0]), *arguments[1:]]
    environ = {"PATH": os.environ["PATH"], "HOME": str(cwd)}
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=60)


def test_the_wheel_holds_every_file_of_the_package_and_every_policy(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    package = {str(path.relative_to(ROOT)) for path in (ROOT / "regproxy").rglob("*") if path.is_file()}
    policies = {f"regproxy/{path.relative_to(ROOT)}" for path in (ROOT / "policies").rglob("*") if path.is_file()}
    assert {name for name in package if "__pycache__" not in name} <= held
    assert policies <= held
    assert "regproxy/policies/default.policy" in held
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert not any(name.startswith(("tests/", "deploy/")) for name in held)


def test_the_man_page_is_where_man_looks_for_it(installed: Path, tmp_path: Path) -> None:
    page = installed / "share" / "man" / "man1" / "regproxy.1"
    assert page.read_bytes() == (ROOT / "deploy" / "regproxy.1").read_bytes()
    copied = [step[-1] for step in _dockerfile() if step[0] == "COPY" and step[-2].endswith("/man1/regproxy.1")]
    assert copied == ["/usr/local/share/man/man1/regproxy.1"]
    if shutil.which("man"):
        environ = {"PATH": f"{installed / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path)}
        found = subprocess.run(["man", "-w", "regproxy"], env=environ, capture_output=True, text=True, check=False)
        assert found.stdout.strip() == str(page), "man finds it by the PATH"


def test_the_source_distribution_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (source,) = tmp_path.glob("regproxy-*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=unpacked, capture_output=True, check=True)
    (again,) = tmp_path.glob("regproxy-*.whl")
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        contents = [{one.filename: one.CRC for one in made.infolist()} for made in (first, second)]
    assert contents[0] == contents[1]


def test_the_installed_wheel_checks_and_tests_its_own_policies_far_from_the_checkout(
    installed: Path, tmp_path: Path
) -> None:
    where = _run(installed, "python", "-c", "import regproxy; print(regproxy.__file__)", cwd=tmp_path)
    package = Path(where.stdout.strip()).parent
    assert installed in package.parents
    policies = sorted(str(path) for path in (package / "policies").glob("*.policy"))
    assert len(policies) == len(list((ROOT / "policies").glob("*.policy")))
    checked = _run(installed, "regproxy", "policy", "check", *policies, cwd=tmp_path)
    assert (checked.returncode, checked.stdout) == (0, "".join(f"{policy}: ok\n" for policy in policies))
    tested = _run(installed, "regproxy", "policy", "test", "--threshold", "100", *policies, cwd=tmp_path)
    assert tested.returncode == 0, f"{tested.stdout}{tested.stderr}"


def test_the_installed_wheel_makes_a_ca_from_its_packaged_lists(installed: Path, tmp_path: Path) -> None:
    ran = _run(installed, "regproxy", "ca", "init", "--ca-dir", str(tmp_path / "ca"), cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "docker.io" in ran.stdout
    assert "public.ecr.aws" in ran.stdout


def _extra() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(text) for text in project["optional-dependencies"]["otel"]]


def _pyproject() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _locked(lock: str) -> dict[str, tuple[str, list[str]]]:
    """Version and hashes of each package of a lock, with continued lines joined."""
    text = re.sub(r"\\\n", " ", (ROOT / lock).read_text(encoding="utf-8"))
    lines = [line.partition(" #")[0].strip() for line in text.splitlines() if not line.lstrip().startswith("#")]
    found = {}
    for line in filter(None, lines):
        name, _, rest = line.partition("==")
        found[name] = (rest.split()[0], re.findall(r"--hash=sha256:([0-9a-f]{64})\b", rest))
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_package_by_hash_and_names_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"://|--index|--find-links|--extra-index|^-e |@ ", text, re.MULTILINE)
    packages = _locked(lock)
    assert packages
    assert {name for name, (_, hashes) in packages.items() if not hashes} == set()


def test_the_locks_hold_what_pyproject_asks_for() -> None:
    project = _pyproject()
    runtime = [Requirement(text) for text in project["project"]["dependencies"]]
    tools = [Requirement(text) for text in project["dependency-groups"]["dev"]]
    extra = _extra()
    for lock, requirements in ((LOCKS[0], runtime), (LOCKS[2], [*runtime, *tools, *extra]), (LOCKS[4], extra)):
        pinned = _locked(lock)
        for requirement in requirements:
            version, _ = pinned[requirement.name]
            assert requirement.specifier.contains(version), f"{lock}: {requirement.name} {version}"


def test_the_locks_agree_so_that_one_environment_can_hold_them_all() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, (version, _) in _locked(lock).items():
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
    assert set(_locked(LOCKS[0])) | set(_locked(LOCKS[4])) <= set(_locked(LOCKS[2]))


def test_a_start_insists_on_the_versions_that_pyproject_asks_for() -> None:
    asked = {requirement.name: requirement for requirement in map(Requirement, _pyproject()["project"]["dependencies"])}
    for floor in FLOORS:
        if floor.library in asked:
            bounds = {f">={floor.lowest}"} | ({f"<{floor.below}"} if floor.below else set())
            assert {str(one) for one in asked[floor.library].specifier} == bounds
        else:
            assert floor.library == "libcurl", "libcurl comes inside pycurl's wheel"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_clean_shell(script: str) -> None:
    path = ROOT / script
    shell = shlex.split(path.read_text(encoding="utf-8").splitlines()[0].removeprefix("#!"))
    shell = shell if path.stat().st_mode & 0o111 else ["sh"]
    ran = subprocess.run([*shell, "-n", str(path)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def _dockerfile() -> list[list[str]]:
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    return [shlex.split(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_the_image_copies_only_what_exists_and_is_not_ignored() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if "*" not in line]
    copies = [
        step[1:] for step in _dockerfile() if step[0] == "COPY" and not any(word.startswith("--from=") for word in step)
    ]
    sources = [word for words in copies for word in words[:-1] if not word.startswith("--")]
    assert {"regproxy", "policies", "deploy/entrypoint.sh", "deploy/requirements.lock"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source.partition("/")[0] not in ignored, source


@pytest.mark.parametrize("extra", ["", "otel"])
def test_the_image_installs_what_is_locked_and_the_extra_that_its_builder_names(extra: str) -> None:
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    (install,) = re.findall(r"/opt/regproxy/bin/(pip install [^&]* -r deploy/requirements\.lock[^&]*)&&", text)
    # The shell of the build puts the argument in, as this one does.
    words = ["sh", "-c", f"printf '%s\n' {install}"]
    ran = subprocess.run(words, env={"EXTRA": extra}, capture_output=True, text=True, check=True)
    files = re.findall(r"^-r\n(.+)$", ran.stdout, re.MULTILINE)
    assert files == ["deploy/requirements.lock", *(f"deploy/{one}.lock" for one in [extra] if one)]
    assert "--require-hashes" in ran.stdout
    copied = {word for step in _dockerfile() if step[0] == "COPY" for word in step}
    assert set(files) <= copied
    assert ["ARG", "EXTRA="] in _dockerfile(), "and none is in it unasked"


def test_every_stage_of_the_image_begins_with_a_debian_that_is_named_by_its_digest() -> None:
    steps = _dockerfile()
    assert re.fullmatch(r"BASE=debian:[a-z]+-slim@sha256:[0-9a-f]{64}", steps[0][1])
    bases = [step[1] for step in steps if step[0] == "FROM"]
    assert bases == ["${BASE}", "debian", "debian"]


def test_the_bill_of_materials_names_what_is_locked_and_what_debian_brings() -> None:
    ran = subprocess.run([sys.executable, str(ROOT / "deploy" / "sbom.py")], capture_output=True, text=True, check=True)
    document = json.loads(ran.stdout)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    named = {component["purl"].partition("@")[0] for component in document["components"]}
    assert {f"pkg:pypi/{name}" for name in _locked(LOCKS[0])} <= named
    assert not shutil.which("dpkg-query") or "pkg:deb/debian/dpkg" in named
    assert len({component["bom-ref"] for component in document["components"]}) == len(document["components"])


def test_the_image_keeps_the_seeds_ports_volumes_and_signal() -> None:
    steps = {step[0]: step[1:] for step in _dockerfile()}
    assert steps["EXPOSE"] == ["3128", "9128"]
    assert steps["VOLUME"] == ["/docker_mirror_cache", "/ca"]
    assert steps["STOPSIGNAL"] == ["SIGTERM"]
    assert "REGPROXY_METRICS=0.0.0.0:9128" in steps["ENV"]
    assert steps["CMD"] == ["[serve]"]
    assert steps["ENTRYPOINT"][:2] == ["[/usr/bin/tini,", "--,"]
    entrypoint = steps["ENTRYPOINT"][-1].strip("[]")
    assert steps["HEALTHCHECK"][-2:] == [f"[{entrypoint},", "healthcheck]"]
    copied = [step for step in _dockerfile() if step[0] == "COPY" and step[-1] == entrypoint]
    assert copied[0][-2] == "deploy/entrypoint.sh"


def test_a_fresh_clone_serves_with_one_command(tmp_path: Path) -> None:
    """The README's first command, in a copy of the checkout with nothing prepared; it asks the package index."""
    for name in ("regproxy", "policies", "deploy"):
        shutil.copytree(ROOT / name, tmp_path / "clone" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "clone" / name)
    command = ["sh", str(tmp_path / "clone" / "deploy" / "serve.sh"), "--help"]
    environ = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    first = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=300)
    if first.returncode != 0 and os.environ.get("CI") != "true":
        pytest.skip(f"the package index could not be reached, or apt is needed: {first.stderr.strip()[-300:]}")
    assert "--ca-dir" in first.stdout, first.stderr
    again = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert (again.returncode, again.stderr) == (0, ""), "a second start prepares nothing"
