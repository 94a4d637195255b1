"""Prometheus and Alertmanager as processes of a test, with the project's rules."""

import json
import re
import subprocess
from contextlib import contextmanager, suppress

import httpx
import yaml

from tests.kit.checkout import ROOT
from tests.kit.network import free_port
from tests.kit.prometheus import program
from tests.kit.waiting import wait_for

MONITORING = ROOT / "cluster" / "monitoring"
_WINDOW = "10s"


def shortened(text):
    """Rules that wait for nothing and remember ten seconds: a fault shows, and ends, in a test."""
    text = re.sub(r"^( +)for: \w+$", r"\1for: 0s", text, flags=re.MULTILINE)
    return re.sub(r"(\[|offset )(10m|15m|1h|7d)", rf"\g<1>{_WINDOW}", text)


class Monitoring:
    """What a test asks of Prometheus and Alertmanager."""

    def __init__(self, prometheus, alertmanager):
        self.prometheus, self.alertmanager = prometheus, alertmanager

    def query(self, expression):
        """The series of an instant query, each with labels and a value."""
        answer = httpx.get(
            f"{self.prometheus}/api/v1/query",
            params={"query": expression},
            trust_env=False,
            timeout=30,
        )
        assert answer.status_code == 200, f"{expression}: {answer.text}"
        return answer.json()["data"]["result"]

    def alerts(self):
        """name -> the active alerts of that name, as Alertmanager has them."""
        found = {}
        answer = httpx.get(f"{self.alertmanager}/api/v2/alerts", trust_env=False, timeout=30)
        for each in answer.raise_for_status().json():
            found.setdefault(each["labels"]["alertname"], []).append(each)
        return found


@contextmanager
def monitoring(folder, scrape_configs, rules=shortened):
    """Prometheus and Alertmanager on 127.0.0.1, with the rules as ``rules`` changes them."""
    (folder / "rules").mkdir()
    for file in (MONITORING / "rules").glob("*.yaml"):
        (folder / "rules" / file.name).write_text(rules(file.read_text()))
    ports = {"prometheus": free_port(), "alertmanager": free_port()}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    config = {
        "global": {
            # A busy machine takes more than a second for a scrape.
            "scrape_interval": "2s",
            "evaluation_interval": "1s",
            "external_labels": {"docs_url": "http://docs"},
        },
        "rule_files": [str(folder / "rules" / "*.yaml")],
        "alerting": {
            "alertmanagers": [
                {"static_configs": [{"targets": [f"127.0.0.1:{ports['alertmanager']}"]}]}
            ]
        },
        "scrape_configs": scrape_configs,
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    routes = yaml.safe_load((MONITORING / "alertmanager.yml").read_text())
    (folder / "alertmanager.yml").write_text(json.dumps(routes))
    commands = {
        "alertmanager": [
            program("alertmanager"),
            f"--config.file={folder}/alertmanager.yml",
            f"--storage.path={folder}/alertmanager",
            f"--web.listen-address=127.0.0.1:{ports['alertmanager']}",
            "--cluster.listen-address=",
        ],
        "prometheus": [
            program("prometheus"),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/prometheus",
            f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
            "--rules.alert.resend-delay=1s",
        ],
    }
    processes = []
    try:
        for name, command in commands.items():
            with (folder / f"{name}.log").open("wb") as log:
                processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        for name, process in zip(commands, processes, strict=True):
            wait_for(lambda p=process, n=name: _is_ready(p, urls[n], folder / f"{n}.log"), 60)
        yield Monitoring(urls["prometheus"], urls["alertmanager"])
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()


def _is_ready(process, url, log):
    assert process.poll() is None, log.read_text()[-3000:]
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200
    return False
