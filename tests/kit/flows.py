"""Flows as a user runs them, killed at will, and a broker that keeps what it is told."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading

from tests.kit.waiting import wait_for


class Flow:
    """flows/NAME.py in a process group of its own, with its datastore in a test's folder."""

    def __init__(self, name, settings, folder, checkout, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, str(checkout / "flows" / f"{name}.py"), *arguments],
            cwd=folder,
            # What kill -9 leaves behind goes with the test.
            env={
                **os.environ,
                **settings.as_environ(),
                "TMPDIR": str(folder),
                "PYTHONUNBUFFERED": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def wait_until(self, condition, seconds=360):
        """Wait for the condition; fails at once where the flow ends before it holds."""

        def holds():
            assert self.process.poll() is None, "".join(self.lines)
            return condition()

        wait_for(holds, seconds, pause=0.01)

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()

    def end(self):
        """Wait for its end; the exit status and all that it said."""
        code = self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        return code, "".join(self.lines)


def artifacts(flow_class, folder, monkeypatch):
    """The data of the newest successful run in the folder's datastore."""
    from metaflow import Flow as Finished
    from metaflow import namespace
    from metaflow.plugins.datastores.local_storage import LocalStorage

    namespace(None)
    monkeypatch.chdir(folder)
    # The client keeps the first datastore that it finds for the whole process.
    monkeypatch.setattr(LocalStorage, "datastore_root", None)
    return Finished(flow_class).latest_successful_run.data


def compiled(name, settings, folder, checkout):
    """The WorkflowTemplate of a flow, as ``argo-workflows create --only-json`` prints it."""
    environ = {
        **os.environ,
        **settings.as_environ(),
        "METAFLOW_KUBERNETES_CONTAINER_IMAGE": "flows:test",
    }
    compiling = ("argo-workflows", "create", "--only-json")
    made = subprocess.run(
        [sys.executable, checkout / "flows" / f"{name}.py", *compiling],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return json.JSONDecoder().raw_decode(made.stdout[made.stdout.index("{") :])[0]


def card_text(name, step, folder, checkout):
    """What the newest card of a step holds, as JSON text (the page carries it in base64)."""
    page = subprocess.run(
        [sys.executable, checkout / "flows" / f"{name}.py", "card", "get", step],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    held = re.findall(r'__MF_DATA__\["[^"]+"\] = "([^"]+)"', page)[-1]
    return json.dumps(json.loads(base64.b64decode(held)), ensure_ascii=False)
