"""Which Python ./taskw accepts, and how it gets uv and a Python where the machine has neither.

The machine is a folder of stubs: a Python of a chosen version, and a uv that records its arguments.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "cat", "cksum", "cp", "dirname", "mkdir", "mv", "rm")

PYTHON = """#!/bin/sh
case "$1 $2" in
"-m pip")
    [ "{pip}" = True ] || exit 1
    [ "$3" = --version ] && exit
    echo "pip: $*" >>"{log}"
    while [ "$1" != --target ]; do shift; done
    mkdir -p "$2/bin" && cp "{folder}/uv.stub" "$2/bin/uv" ;;
"-m venv") exit 1 ;;
"--version "*) echo "Python {version}" ;;
*) exec "{real}" -c 'import sys; sys.version_info = ({numbers}, 0); exec(sys.argv[1])' "$2" ;;
esac
"""
UV = """#!/bin/sh
echo "uv: $*" >>"{log}"
case "$1 $2" in
"python dir") echo /pythons ;;
"venv "*)
    case "$*" in *--managed-python*) [ "{download}" = True ] || exit 2 ;; esac
    mkdir -p "{checkout}/.venv/bin" && cp "{folder}/true.stub" "{checkout}/.venv/bin/python" ;;
"pip install") cp "$0" "{checkout}/.venv/bin/uv" ;;
"sync "*) cp "{folder}/task.stub" "{checkout}/.venv/bin/task" ;;
esac
"""


class Machine:
    """A checkout and a PATH on which only stubs and a few shell tools are found."""

    def __init__(self, tmp_path, *, python=None, pip=False, uv=False, download=True):
        self.checkout = tmp_path / "checkout"
        self.bin = tmp_path / "bin"
        self.log = tmp_path / "log"
        for folder in (self.checkout, self.bin):
            folder.mkdir()
        shutil.copy(ROOT / "taskw", self.checkout)
        for name in ("uv.lock", "pyproject.toml"):
            (self.checkout / name).write_text(name)
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.log.touch()
        self.write(tmp_path / "true.stub", "#!/bin/sh\n")
        self.write(tmp_path / "task.stub", '#!/bin/sh\necho "task: $*"\n')
        stub = UV.format(log=self.log, folder=tmp_path, checkout=self.checkout, download=download)
        self.write(tmp_path / "uv.stub", stub)
        if uv:
            self.write(self.bin / "uv", stub)
        if python:
            text = PYTHON.format(
                version=python,
                numbers=python.replace(".", ", "),
                pip=pip,
                log=self.log,
                folder=tmp_path,
                real=sys.executable,
            )
            self.write(self.bin / "python3", text)

    @staticmethod
    def write(path, text):
        path.write_text(text)
        path.chmod(0o755)

    def taskw(self, *args):
        return subprocess.run(
            ["sh", self.checkout / "taskw", *args],
            env={"PATH": str(self.bin)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_supported_python_makes_the_venv(tmp_path, version):
    machine = Machine(tmp_path, python=version, uv=True)
    done = machine.taskw("test")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"task: --dir {machine.checkout} test\n"
    assert f"making .venv with Python {version}" in done.stderr
    assert f"--python {machine.bin}/python3 {machine.checkout}/.venv" in machine.log.read_text()


@pytest.mark.parametrize("version", ["3.10", "3.15", None])
def test_without_a_supported_python_uv_downloads_one_and_taskw_says_so(tmp_path, version):
    machine = Machine(tmp_path, python=version, uv=True)
    done = machine.taskw("test")
    assert done.returncode == 0, done.stderr
    assert "no Python 3.11 to 3.14 found" in done.stderr
    assert "uv downloads Python 3.13, some 30 MB, into /pythons" in done.stderr
    assert "--managed-python --python 3.13" in machine.log.read_text()


def test_pip_of_an_unsupported_python_installs_uv(tmp_path):
    machine = Machine(tmp_path, python="3.10", pip=True)
    done = machine.taskw("test")
    assert done.returncode == 0, done.stderr
    calls = machine.log.read_text()
    assert re.search(r"^pip: -m pip install .*--target \S+/\.venv\.uv .*uv==[\d.]+$", calls, re.M)
    assert "--managed-python" in calls
    assert not (machine.checkout / ".venv.uv").exists()


def test_without_uv_and_pip_taskw_says_what_to_install(tmp_path):
    done = Machine(tmp_path, python="3.13").taskw("test")
    assert done.returncode == 1
    assert "install uv, or Python 3.11 to 3.14 with pip" in done.stderr


def test_failed_python_download_is_explained(tmp_path):
    done = Machine(tmp_path, python="3.10", uv=True, download=False).taskw("test")
    assert done.returncode == 1
    assert "uv could not download Python 3.13; install Python 3.11 to 3.14" in done.stderr


def test_second_call_installs_nothing(tmp_path):
    machine = Machine(tmp_path, python="3.14", uv=True)
    machine.taskw("test")
    machine.log.write_text("")
    done = machine.taskw("lint")
    assert done.stdout == f"task: --dir {machine.checkout} lint\n"
    assert machine.log.read_text() == ""


def test_pyproject_and_ci_name_the_same_pythons():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["requires-python"] == ">=3.11,<3.15"
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]


def test_locked_packages_have_wheels_for_every_python():
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    # A package may be locked in several versions, each for some Pythons.
    wheels = {}
    for package in lock["package"]:
        if "registry" in package["source"]:
            urls = [wheel["url"] for wheel in package.get("wheels", [])]
            wheels.setdefault(package["name"], []).extend(url.rsplit("/", 1)[1] for url in urls)
    for version in ("311", "312", "313", "314"):
        tags = rf"(py3-none|py{version}-none|py2\.py3-none|cp3\d+-abi3|cp{version}-cp{version})"
        fits = re.compile(rf"-{tags}-(any|.*linux.*x86_64)")
        missing = [n for n, files in wheels.items() if not any(map(fits.search, files))]
        assert missing == [], version
