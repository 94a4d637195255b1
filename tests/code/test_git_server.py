"""The git server of a k3d cluster: everyone reads, nobody writes (cluster/git/lighttpd.conf)."""

import shutil
import subprocess

import pytest

from tests.kit.checkout import ROOT
from tests.kit.network import free_port
from tests.kit.waiting import wait_for

LIGHTTPD = shutil.which("lighttpd") or shutil.which("lighttpd", path="/usr/sbin")
pytestmark = pytest.mark.skipif(LIGHTTPD is None, reason="lighttpd is not installed")


def git(*arguments, check=True):
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=check)


@pytest.fixture
def repository(tmp_path):
    """The address of a repository with one commit."""
    work, bare, port = tmp_path / "work", tmp_path / "git" / "tasador.git", free_port()
    git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git("init", "--quiet", "--initial-branch=main", str(work))
    author = ("-c", "user.name=t", "-c", "user.email=t@t")
    git("-C", str(work), *author, "commit", "--quiet", "--allow-empty", "-m", "first")
    git("-C", str(work), "push", "--quiet", str(bare), "main")
    shipped = (ROOT / "cluster" / "git" / "lighttpd.conf").read_text()
    text = shipped.replace("8080", str(port)).replace('"/git"', f'"{bare.parent}"')
    assert text.count(str(bare.parent)) == 2
    (tmp_path / "lighttpd.conf").write_text(f'{text}server.bind = "127.0.0.1"\n')
    command = [LIGHTTPD, "-D", "-f", str(tmp_path / "lighttpd.conf")]
    address = f"http://127.0.0.1:{port}/tasador.git"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: git("ls-remote", address, check=False).returncode == 0, 20)
            yield address
        finally:
            server.terminate()


def test_everyone_may_read(repository, tmp_path):
    git("clone", "--quiet", "--depth=1", repository, str(tmp_path / "clone"))
    assert git("-C", str(tmp_path / "clone"), "log", "--format=%s").stdout == "first\n"


def test_nobody_may_write(repository, tmp_path):
    git("clone", "--quiet", repository, str(tmp_path / "clone"))
    refused = git("-C", str(tmp_path / "clone"), "push", "origin", "main:other", check=False)
    assert refused.returncode != 0
    assert "403" in refused.stderr
