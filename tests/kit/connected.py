"""A laptop that `tasador connect` connects to a cluster; a kubectl of tests stands for it."""

import base64
import json
import os
import shlex
import subprocess
import sys

from tests.kit.checkout import ROOT

STUB = ROOT / "tests" / "kit" / "kubectl_stub.py"


class Laptop:
    """``secrets``: name -> {key: value}; ``services``: name -> port of this machine."""

    def __init__(self, folder, secrets, services=None):
        self.folder = folder
        items = [
            {
                "metadata": {"name": name},
                "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()},
            }
            for name, data in secrets.items()
        ]
        (folder / "secrets.json").write_text(json.dumps({"items": items}))
        (folder / "services.json").write_text(json.dumps(services or {}))
        self.environ = {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            "HOME": str(folder),
            "USER": "tester",
            "PYTHONPATH": str(ROOT),
            "METAFLOW_HOME": str(folder / "metaflow"),
            "TASADOR_KUBECTL": shlex.join([sys.executable, str(STUB), str(folder)]),
        }
        self.home = folder / ".config" / "tasador" / "test"
        self.profile = folder / "metaflow" / "config_test.json"
        self.connected = {
            **self.environ,
            "TASADOR_HOME": str(self.home),
            "METAFLOW_PROFILE": "test",
        }

    def connect(self, *options, name="test"):
        return subprocess.run(
            [sys.executable, "-m", "tasador", "connect", name, *options],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def forwarding(self, *options):
        """The process of ``connect --forward``."""
        return subprocess.Popen(
            [sys.executable, "-m", "tasador", "connect", "test", "--forward", *options],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command, fails=False):
        """The output of a Python command in a shell with the profile."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.connected,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout
