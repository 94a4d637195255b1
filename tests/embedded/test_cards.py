"""The card server of a flow: the newest run at once, each earlier one that is chosen, and logs."""

import os
import re
import subprocess
import sys

import httpx

from tests.kit.checkout import ROOT
from tests.kit.network import free_port
from tests.kit.waiting import wait_for

FLOW = """
from tasador.flowkit import main
from metaflow import FlowSpec, card, current, step

class TinyFlow(FlowSpec):
    @card(type="blank")
    @step
    def start(self):
        self.correlation_id = f"c-{current.run_id}"
        print("<start> spoke")
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    main(TinyFlow)
"""
SERVE = "import sys; from pathlib import Path; from tasador.local.cards import serve; serve(*{})"


def test_newest_run_is_shown_after_several_and_an_earlier_one_if_chosen(tmp_path):
    path = tmp_path / "tiny.py"
    path.write_text(FLOW)
    environ = {
        **os.environ,
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
            viewer = client.get("/").text
            assert "prefers-color-scheme: dark" in viewer
            assert "fonts.googleapis.com" not in viewer
            run()
            # Metaflow's queue has two by now, and would show the one in between.
            last = run()
            assert client.get("/runinfo").json()["run_id"] == last
            chosen = {"referer": f"http://127.0.0.1:{port}/?run={first}"}
            shown = client.get("/runinfo", headers=chosen).json()
            assert shown["run_id"] == first
            assert [card["task"].split("/")[1] for card in shown["cards"]] == [first]
            content = client.get(f"/card/{shown['cards'][0]['card']}").text
            assert "prefers-color-scheme: dark" in content
            assert "fonts.googleapis.com" not in content
            assert client.get("/runinfo").json()["run_id"] == last
            listed = re.findall(r"/\?run=(\d+)", client.get("/runs").text)
            assert (listed[0], listed[-1], len(listed)) == (last, first, 3)
            card = client.get(f"/turn/c-{first}/card")
            assert (card.status_code, card.headers["location"]) == (302, f"/?run={first}")
            log = client.get(f"/turn/c-{first}/log", follow_redirects=True)
            assert log.url.path == f"/log/{first}"
            assert re.findall("<h2>(.*?)</h2>", log.text) == ["start", "end"]
            assert "&lt;start&gt; spoke" in log.text
            assert "http-equiv" not in log.text
            for unknown in ("/turn/c-0/card", "/log/0"):
                answer = client.get(unknown)
                assert (answer.status_code, "No such run" in answer.text) == (404, True)
        finally:
            server.terminate()
