"""The verbs on the real platform, in the environment of a user of many other tools."""

import os
import subprocess
import sys

import pytest

from tasador.settings import CHECKOUT
from tests.kit.hostile import hostile
from tests.kit.ingestion import Source, own_database
from tests.kit.listings import raw_batches
from tests.kit.waiting import wait_for

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def run(platform, tmp_path):
    """Runs a Python command in that environment; fails unless it ends well."""
    environ = {**hostile(tmp_path), "TASADOR_HOME": str(platform.home)}

    def run(*arguments, **more):
        done = subprocess.run(
            [sys.executable, *arguments],
            env={**environ, **more},
            cwd=tmp_path,
            capture_output=True,
            timeout=240,
        )
        output = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode == 0, output
        return output

    return run


@pytest.mark.parametrize(
    "command",
    ["status", "doctor", "models", "monitor --list 1", "dead-letters list", "rollout status"],
)
def test_command_reads_nothing_of_the_user(run, command):
    assert "Traceback" not in run("-m", "tasador", *command.split())


def test_flow_by_hand_reads_nothing_of_the_user_and_keeps_its_card_in_the_home(run, platform):
    flow = str(CHECKOUT / "flows" / "ingest.py")
    with own_database(platform) as own, Source(raw_batches()[:1]).serving() as source:
        more = {"TASADOR_DATABASE_URL": own.database_url, "TASADOR_SOURCE_URL": source.url}
        assert "ingested: received batch 0" in run(flow, "run", **more)
        # From any directory: the home folder holds Metaflow's runs.
        assert "<html" in run(flow, "card", "get", "end", **more)
    assert (platform.home / ".metaflow" / "IngestFlow").is_dir()


def test_function_process_gets_nothing_of_the_user(platform, tmp_path):
    """The gateway of the session started before; what it gives on is checked from its process."""
    import httpx
    import psutil

    wait_for(lambda: httpx.get(f"{platform.functions_url}/predictions/history?limit=1",
                               trust_env=False, timeout=60).status_code == 200, 90)  # fmt: skip
    functions = [
        environ
        for process in psutil.process_iter()
        if (environ := _environ(process)).get("K_SERVICE") == "record"
        and environ.get("TASADOR_HOME", "").startswith(str(platform.home))
    ]
    assert functions
    for environ in functions:
        assert environ["PGSSLMODE"] == "disable"
        assert "TASADOR_DAEMON" not in environ
        assert not {name for name in environ if name.startswith(("AWS_A", "MLFLOW_T", "GIT_D"))}


def _environ(process):
    import psutil

    try:
        return process.environ() if process.pid != os.getpid() else {}
    except (psutil.Error, OSError):
        return {}
