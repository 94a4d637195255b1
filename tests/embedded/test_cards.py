"""The card server of a flow: the newest run at once, and each earlier one that is chosen."""

import os
import re
import subprocess
import sys

import httpx

from tests.kit.checkout import ROOT
from tests.kit.network import free_port
from tests.kit.untraced import untraced
from tests.kit.waiting import wait_for

FLOW = """
from metaflow import FlowSpec, card, step

class TinyFlow(FlowSpec):
    @card(type="blank")
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    TinyFlow()
"""
SERVE = "import sys; from pathlib import Path; from tasador.local.cards import serve; serve(*{})"


def test_newest_run_is_shown_after_several_and_an_earlier_one_if_chosen(tmp_path):
    path = tmp_path / "tiny.py"
    path.write_text(FLOW)
    environ = {
        **untraced(os.environ),
        "METAFLOW_USER": "test",
        "METAFLOW_DEFAULT_METADATA": "local",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }

    def run():
        command = [sys.executable, path, "--quiet", "run", "--run-id-file", "id"]
        subprocess.run(command, cwd=tmp_path, env=environ, check=True, capture_output=True)
        return (tmp_path / "id").read_text()

    first, port = run(), free_port()
    code = SERVE.format(f"(Path({str(path)!r}), {str(port)!r})")
    with (
        subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environ) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client,
    ):
        try:
            shown = wait_for(lambda: client.get("/runinfo").json())
            assert shown["run_id"] == first
            run()
            # Metaflow's queue has two by now, and would show the one in between.
            last = run()
            assert client.get("/runinfo").json()["run_id"] == last
            chosen = {"referer": f"http://127.0.0.1:{port}/?run={first}"}
            shown = client.get("/runinfo", headers=chosen).json()
            assert shown["run_id"] == first
            assert [card["task"].split("/")[1] for card in shown["cards"]] == [first]
            assert client.get(f"/card/{shown['cards'][0]['card']}").status_code == 200
            assert client.get("/runinfo").json()["run_id"] == last
            listed = re.findall(r"/\?run=(\d+)", client.get("/runs").text)
            assert (listed[0], listed[-1], len(listed)) == (last, first, 3)
        finally:
            server.terminate()
