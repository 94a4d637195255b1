"""The servers that are measured, each in an environment with exactly the packages it needs."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.report import ROOT

HERE = Path(__file__).resolve().parent
_START_SECONDS = 120.0
# The modes in which predict records to a sink.
MODES = ("best-effort", "required")


@dataclass
class Subject:
    """One server: ``path`` prices one listing, ``batch_paths`` ("by_row", "by_column") many."""

    name: str
    command: Sequence[str]
    env: dict[str, str]
    path: str = "/predict"
    batch_paths: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(default=Path(os.devnull))
    checkout: Path = ROOT

    def __post_init__(self) -> None:
        self._fixed_port = self.port

    def start(self, body: bytes) -> float:
        """Start the process; seconds from there to the first answered prediction."""
        self.port = self.port or free_port()
        command = [part.format(port=self.port) for part in self.command]
        clean = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("TASADOR_", "MODEL_", "K_", "PYTHON", "OMP_", "VIRTUAL_"))
        }
        env = {**clean, **self.env, "PORT": str(self.port)}
        with self.log.open("ab") as log:
            began = time.perf_counter()
            self.process = subprocess.Popen(
                command, cwd=self.checkout, env=env, stdout=log, stderr=log
            )
        request = (
            f"POST {self.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        ).encode() + body
        while not _answers(self.port, request):
            if self.process.poll() is not None or time.perf_counter() - began > _START_SECONDS:
                raise SystemExit(f"{self.name} did not start; its log is {self.log}")
            time.sleep(0.002)
        return time.perf_counter() - began

    def memory(self) -> float:
        """Resident memory, MB (10^6 bytes)."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        match = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        assert match is not None
        return int(match.group(1)) * 1024 / 1e6

    def cpu(self) -> float:
        """Processor time used so far, ms."""
        assert self.process is not None
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) * 1000 / os.sysconf("SC_CLK_TCK")

    def load(self, path: str, bodies: Path, connections: int, seconds: float) -> dict[str, Any]:
        """Run the load generator in a separate process; every answer must be 200.

        Returns the generator's result and ``cpu``, the server's processor time per request in ms.
        """
        before = self.cpu()
        script = (sys.executable, str(HERE / "load.py"))
        generator = subprocess.run(
            [*script, str(self.port), path, str(bodies), str(connections), str(seconds)],
            check=True,
            capture_output=True,
        )
        result = json.loads(generator.stdout)
        if set(result["statuses"]) != {"200"} or result["broken"]:
            raise SystemExit(f"{self.name} {path}: {result['statuses']}, broken {result['broken']}")
        return {**result, "cpu": (self.cpu() - before) / result["requests"]}

    def seconds_of(self, path: str, body: bytes) -> float:
        """Duration of one call, including reading the answer."""
        began = time.perf_counter()
        self._answer(path, body)
        return time.perf_counter() - began

    def prices(self, batch: bytes) -> list[float]:
        """The prices of a batch by column, in dollars."""
        prices: list[float] = json.loads(self._answer(self.batch_paths["by_column"], batch))[
            "price"
        ]
        return prices

    def _answer(self, path: str, body: bytes) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request("POST", path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"{self.name} {path}: {answer.status} {content[:300]!r}")
        return content

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
            self.port = self._fixed_port


def environments(folder: Path) -> tuple[Path, Path]:
    """The Pythons of two environments from uv.lock: the serving image's, and FastAPI's."""
    dockerfile = (ROOT / "functions" / "Dockerfile").read_text()
    stage = dockerfile.partition("AS model-packages")[2].replace("\\\n", "")
    match = re.search(r"uv sync (.*?)--python", stage)
    assert match is not None
    serving = _environment(folder / "venv-serving", *match[1].split())
    return serving, _environment(
        folder / "venv-old", "--locked", "--no-install-project", "--only-group", "bench"
    )


def subjects(bundle: Path, folder: Path, serving: Path, old: Path) -> dict[str, Subject]:
    """predict, explain, empty and old, predict in each recording mode, and the sink of its events.

    None is started.
    """
    model = folder / "old-model"
    shutil.rmtree(model, ignore_errors=True)
    script = HERE / "fastapi_mlflow.py"
    subprocess.run(
        [old, script, bundle, model],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    env = {"MODEL_URI": str(bundle), "TASADOR_HOME": str(folder), "TASADOR_RECORDING": "off"}

    def log(name: str) -> Path:
        path = folder / f"{name}.log"
        path.unlink(missing_ok=True)
        return path

    port = free_port()
    sink = f"http://127.0.0.1:{port}/"
    host = [str(serving), "-m", "functions.host"]
    uvicorn = [
        str(old),
        "-m",
        "uvicorn",
        "--app-dir",
        str(HERE),
        "fastapi_mlflow:app",
        "--port",
        "{port}",
    ]
    batch = "/batch_predict"
    own_paths = {"by_row": batch, "by_column": batch}
    old_paths = {"by_row": batch, "by_column": "/batch_columns"}
    predict = [*host, "functions/predict"]
    servers = [
        Subject("predict", predict, env, batch_paths=own_paths),
        Subject("explain", [*host, "functions/explain"], env, path="/explain"),
        Subject("empty", [str(serving), str(HERE / "empty")], {}, path="/"),
        Subject("old", uvicorn, {"MODEL": str(model)}, batch_paths=old_paths),
    ]
    for mode in MODES:
        recording = {**env, "TASADOR_RECORDING": mode, "K_SINK": sink}
        servers.append(Subject(mode, predict, recording))
    command = [sys.executable, str(HERE / "sink.py"), "{port}"]
    servers.append(Subject("sink", command, {}, port=port))
    for server in servers:
        server.log = log(server.name)
    return {server.name: server for server in servers}


def size_of(folder: Path) -> int:
    """Total size of the files in a folder, bytes."""
    return sum(p.lstat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def packages_of(python: Path) -> Path:
    """The site-packages of an environment."""
    return next((python.parents[1] / "lib").glob("python3*/site-packages"))


def _environment(venv: Path, *options: str) -> Path:
    subprocess.run(
        ["uv", "sync", "--quiet", *options],
        check=True,
        cwd=ROOT,
        env={
            **{k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"},
            "UV_PROJECT_ENVIRONMENT": str(venv),
            "UV_PYTHON": sys.executable,
            "UV_COMPILE_BYTECODE": "1",
        },
    )
    return venv / "bin" / "python"


def _answers(port: int, request: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(request)
            return connection.recv(64)[9:12] in (b"200", b"202")
    except ConnectionError:
        return False


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
