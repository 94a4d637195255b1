"""Flows and Metaflow's metadata service: one that runs, one that is down, one that comes back."""

import json
import os
import subprocess
import sys
import time

import pytest

from tasador.machine.environment import variables
from tests.kit.checkout import ROOT
from tests.kit.metaflow_service import metadata_service
from tests.kit.network import free_port

FLOW = """
import pathlib, time
from metaflow import FlowSpec, step
from tasador.flowkit import main

class SmallFlow(FlowSpec):
    @step
    def start(self):
        self.answer = 42
        pathlib.Path("started").touch()
        for name in pathlib.Path().glob("wait-for-*"):
            while not pathlib.Path(name.name.removeprefix("wait-for-")).exists():
                time.sleep(0.05)
        self.next(self.end)

    @step
    def end(self):
        print("the answer is", self.answer)

if __name__ == "__main__":
    main(SmallFlow)
"""
READ = """
import json
from metaflow import Flow, namespace
namespace(None)
print(json.dumps([
    {"run": run.id, "finished": run.finished, "answer": run.data.answer,
     "steps": {step.id: [task.id for task in step] for step in run}}
    for run in Flow("SmallFlow")
]))
"""


class Laptop:
    """A folder with a flow, its datastore, and an environment that names a metadata service."""

    def __init__(self, folder, url):
        self.folder = folder
        (folder / "small.py").write_text(FLOW)
        self.environ = {
            **{n: v for n, v in os.environ.items() if n not in variables("METAFLOW_", "TASADOR_")},
            "PYTHONPATH": str(ROOT),
            "METAFLOW_HOME": str(folder / "none"),
            "METAFLOW_USER": "tester",
            "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder),
            "METAFLOW_DEFAULT_METADATA": "service",
            "METAFLOW_SERVICE_URL": url,
            # Instead of five, with up to eight seconds between them.
            "METAFLOW_SERVICE_RETRY_COUNT": "1",
        }

    def start(self, *command):
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command):
        process = self.start(*command)
        text, _ = process.communicate(timeout=120)
        assert process.returncode == 0, text
        return text

    def runs(self):
        return json.loads(self.run("-c", READ).splitlines()[-1])


@pytest.fixture
def down(tmp_path):
    """A laptop whose metadata service does not run."""
    return Laptop(tmp_path, f"http://127.0.0.1:{free_port()}")


def test_run_is_registered_with_the_service(tmp_path):
    with metadata_service() as url:
        laptop = Laptop(tmp_path, url)
        text = laptop.run("small.py", "run")
        run = laptop.runs()[0]
    assert run["run"].isdigit()
    assert run["finished"]
    assert run["answer"] == 42
    assert set(run["steps"]) == {"start", "end"}
    assert "is away" not in text


def test_run_succeeds_while_the_service_is_down(down):
    text = down.run("small.py", "run")
    assert "the answer is 42" in text
    assert "the Metaflow service is away; the flow goes on without it" in text


def test_steps_of_argo_succeed_while_the_service_is_down(down):
    # The commands of a WorkflowTemplate, whose ids come from Argo.
    common = ("small.py", "--quiet", "--metadata=service")
    ids = ("--run-id", "argo-small-x1")
    down.run(*common, "init", *ids, "--task-id", "argo-parameters")
    first = (
        *ids,
        "--task-id",
        "argo-1",
        "--input-paths",
        "argo-small-x1/_parameters/argo-parameters",
    )
    down.run(*common, "step", "start", *first)
    last = (*ids, "--task-id", "argo-2", "--input-paths", "argo-small-x1/start/argo-1")
    assert "the answer is 42" in down.run(*common, "step", "end", *last)


def test_service_that_comes_back_learns_of_the_run(down):
    (down.folder / "wait-for-served").touch()
    process = down.start("small.py", "run")
    while not (down.folder / "started").exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)
    port = int(down.environ["METAFLOW_SERVICE_URL"].rpartition(":")[2])
    with metadata_service(port):
        (down.folder / "served").touch()
        text, _ = process.communicate(timeout=120)
        assert process.returncode == 0, text
        run = down.runs()[0]
    assert run["run"].startswith("offline-")
    assert run["answer"] == 42
    assert "end" in run["steps"]
