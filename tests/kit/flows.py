"""Flows, run as a user runs them: started, killed, and their artifacts and cards read."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading

from flows import deploy
from tasador.machine.environment import for_child
from tasador.settings import find_home
from tests.kit.waiting import wait_for


class Flow:
    """flows/NAME.py in a new process group, with its datastore in ``folder``.

    ``runtime``: where Metaflow would run it, "local" or "kubernetes".
    """

    def __init__(self, name, settings, folder, checkout, *arguments, runtime="local"):
        self.process = subprocess.Popen(
            [sys.executable, str(checkout / "flows" / f"{name}.py"), *arguments],
            cwd=folder,
            # Temporary files that a kill leaves behind are deleted with the test's folder.
            env={
                **environ_of(settings.home, folder),
                **settings.as_environ(),
                "TMPDIR": str(folder),
                "PYTHONUNBUFFERED": "1",
                "METAFLOW_RUNTIME_ENVIRONMENT": runtime,
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

    def wait_until(self, condition, seconds=360, pause=0.01):
        """Wait for the condition; fails at once where the flow ends before it holds."""

        def holds():
            assert self.process.poll() is None, "".join(self.lines)
            return condition()

        wait_for(holds, seconds, pause=pause)

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()

    def end(self):
        """Wait for the end; returns the exit status and the output."""
        code = self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        return code, "".join(self.lines)


def environ_of(home, folder):
    """What the pipeline would give a flow of this home, but with the datastore in ``folder``."""
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return {
        **for_child(home, os.environ, **kept),
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder),
        "METAFLOW_CARD_LOCALROOT": str(folder / ".metaflow" / "mf.cards"),
    }


def artifacts(flow_class, folder, monkeypatch):
    """The artifacts of the newest successful run in the folder's datastore."""
    from metaflow import Flow as Finished
    from metaflow import namespace
    from metaflow.plugins.datastores.local_storage import LocalStorage

    namespace(None)
    monkeypatch.chdir(folder)
    # The client remembers the first datastore that it finds.
    monkeypatch.setattr(LocalStorage, "datastore_root", None)
    return Finished(flow_class).latest_successful_run.data


def compiled(name, settings, folder, checkout):
    """The WorkflowTemplate of a flow, as ``argo-workflows create --only-json`` prints it."""
    environ = {
        **os.environ,
        **settings.as_environ(),
        "METAFLOW_KUBERNETES_CONTAINER_IMAGE": "flows:test",
    }
    command = (*deploy.CREATE, "--only-json")
    done = subprocess.run(
        [sys.executable, checkout / "flows" / f"{name}.py", *command],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{") :])[0]


def card_text(name, step, folder, checkout):
    """The content of a step's newest card as JSON text (the page embeds it in base64)."""
    page = subprocess.run(
        [sys.executable, checkout / "flows" / f"{name}.py", "card", "get", step],
        cwd=folder,
        env=environ_of(find_home(os.environ), folder),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    encoded = re.findall(r'__MF_DATA__\["[^"]+"\] = "([^"]+)"', page)[-1]
    return json.dumps(json.loads(base64.b64decode(encoded)), ensure_ascii=False)
