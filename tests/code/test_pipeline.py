"""The pipeline runs a flow in the checkout and reads its artifacts, from any directory."""

import sys
from pathlib import Path

import pytest

from tasador.local.process import started_at
from tasador.operations import pipeline
from tasador.settings import Settings

FLOW = """
from metaflow import FlowSpec, Parameter, step
from tasador.flowkit import main

class IngestFlow(FlowSpec):
    fail = Parameter("fail", default="")

    @step
    def start(self):
        self.status, self.events = "ingested", [{"type": "example"}]
        self.next(self.end)

    @step
    def end(self):
        if self.fail:
            raise ValueError(self.fail)
        print("finished")

if __name__ == "__main__":
    main(IngestFlow)
"""


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Settings of an empty home; the checkout holds one small flow."""
    from metaflow.client import core
    from metaflow.plugins.datastores.local_storage import LocalStorage

    # The client keeps both for the whole process.
    monkeypatch.setattr(LocalStorage, "datastore_root", None)
    monkeypatch.setattr(core, "current_metadata", core.current_metadata)
    monkeypatch.setattr(pipeline, "CHECKOUT", tmp_path / "checkout")
    flow = tmp_path / "checkout" / "flows" / "ingest.py"
    flow.parent.mkdir(parents=True)
    flow.write_text(FLOW)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return Settings(home=tmp_path / "home")


# Metaflow's own yaml looks for libyaml under its old name.
@pytest.mark.filterwarnings("ignore:The _yaml extension module:DeprecationWarning")
def test_run_flow_reads_artifacts_from_another_directory(settings):
    current = Path.cwd()
    lines = []
    run = pipeline.run_flow("ingest", settings, on_line=lines.append)
    assert run.artifacts["status"] == "ingested"
    assert run.artifacts["batch"] is None
    assert run.events == [{"type": "example"}]
    assert Path.cwd() == current
    assert any("finished" in line for line in lines)
    assert "finished" in (settings.home / "log" / "flows" / "ingest.log").read_text()


def test_run_flow_failure_names_log_cause_and_resume_command(settings):
    with pytest.raises(pipeline.FlowFailed) as caught:
        pipeline.run_flow("ingest", settings, {"fail": "no batch today"})
    message = str(caught.value)
    assert "no batch today" in message
    assert str(settings.home / "log" / "flows" / "ingest.log") in message
    assert "python flows/ingest.py resume --origin-run-id" in message


def test_a_known_error_is_one_sentence_without_a_traceback(settings):
    flow = pipeline.CHECKOUT / "flows" / "ingest.py"
    known = "from tasador.errors import SourceError; raise SourceError(self.fail)"
    flow.write_text(FLOW.replace("raise ValueError(self.fail)", known))
    with pytest.raises(pipeline.FlowFailed) as caught:
        pipeline.run_flow("ingest", settings, {"fail": "the source's answer has no batch_number"})
    failed, cause, resume = str(caught.value).splitlines()
    assert failed.startswith("the ingest flow failed (full log: ")
    assert cause == "the source's answer has no batch_number"
    assert resume.startswith("fix the cause, then run: python flows/ingest.py resume")


def test_run_flow_ends_the_flow_and_its_steps_if_it_is_ended(settings):
    sleeping = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
    started = f"""
import os, subprocess
with subprocess.Popen({sleeping!r}, stdout=subprocess.PIPE) as step:
    step.stdout.readline()
    print(os.getpid(), step.pid, flush=True)
"""
    (pipeline.CHECKOUT / "flows" / "ingest.py").write_text(started)
    pids = []

    def terminated(line):
        pids.extend(map(int, line.split()))
        raise SystemExit(143)

    with pytest.raises(SystemExit):
        pipeline.run_flow("ingest", settings, on_line=terminated)
    assert len(pids) == 2
    assert [started_at(pid) for pid in pids] == [None, None]
