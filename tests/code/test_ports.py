"""The ports that the tests give their servers."""

import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from tasador.local import endpoints
from tasador.local.platform import CORE
from tests.kit import platform
from tests.kit.checkout import ROOT
from tests.kit.network import free_port

TAKE = """
import sys
from tests.kit.network import free_port
print(*(free_port() for _ in range(200)), flush=True)
sys.stdin.read()
"""


def test_no_two_processes_get_the_same_port():
    # 1,000 of some 4,400 ports: without the locks about a hundred would be given twice.
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(5)
    ]
    try:
        ports = [int(port) for each in processes for port in each.stdout.readline().split()]
    finally:
        for each in processes:
            each.communicate()
    assert len(ports) == len(set(ports)) == 1000


def test_a_port_stays_taken_without_a_server(monkeypatch):
    port = free_port()
    monkeypatch.setattr("tests.kit.network._PORTS", range(port, port + 1))
    with pytest.raises(AssertionError, match="no free port"):
        free_port()


def test_platforms_get_ports_that_no_other_process_gets(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(platform, "free_port", lambda: given.append(free_port()) or given[-1])
    settings = endpoints.settle(tmp_path, CORE, lambda _: False)
    urls = (
        settings.database_url,
        settings.s3_endpoint,
        settings.mlflow_url,
        settings.functions_url,
    )
    assert [urlsplit(url).port for url in urls] == given
