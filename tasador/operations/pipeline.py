"""The loop, run in process: on one machine this starts the flows that Argo Events starts on a
cluster.

A flow run ends with the events that it published, and each event type starts at most one flow. On
a cluster the same events start the same flows through @trigger.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasador.errors import TasadorError
from tasador.events.event import BATCH_INGESTED, DRIFT_DETECTED, TRAINING_REQUESTED
from tasador.machine.environment import for_child
from tasador.records.loop import Batch, Verdict
from tasador.settings import CHECKOUT, Settings
from tasador.warehouse.warehouse import Warehouse

# How long a flow that is ended may take before it is killed.
_END_SECONDS = 10.0
# Lines of a failed flow's log that its error message holds, unless one is a known error.
_TAIL_LINES = 40
_KNOWN_ERROR = re.compile(r"tasador\.errors\.[A-Z]\w+: (.+)")

# Event type -> the flow that it starts (as in each flow's @trigger).
STARTS = {
    BATCH_INGESTED: "drift",
    DRIFT_DETECTED: "train",
    TRAINING_REQUESTED: "train",
}
FLOW_CLASSES = {
    "ingest": "IngestFlow",
    "drift": "DriftFlow",
    "train": "TrainFlow",
    "monitor": "MonitorFlow",
}


class FlowFailed(TasadorError):
    """A flow failed; the message holds the end of its log and the command that resumes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRun:
    """One finished run of a flow, with the artifacts of its last step."""

    flow: str
    run_id: str
    seconds: float
    artifacts: Mapping[str, Any]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The CloudEvents that the run published, as structured JSON."""
        return list(self.artifacts.get("events") or [])


# The artifacts that are read from a finished run of each flow.
_ARTIFACTS = {
    "ingest": ("status", "batch_id", "correlation_id", "events", "batch"),
    "drift": ("verdict", "moved", "hurts", "reasons", "batch_id", "correlation_id", "events"),
    "train": ("decision", "reasons", "version", "promotion", "correlation_id", "metrics", "events"),
    "monitor": ("verdict", "reasons", "request_reason", "correlation_id", "events"),
}


def run_flow(
    flow: str,
    settings: Settings,
    parameters: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> FlowRun:
    """Run ``python flows/NAME.py run`` to its end; raises FlowFailed.

    ``on_line`` gets each line that the flow prints.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        run_id_file = Path(scratch) / "run-id"
        command = [sys.executable, f"flows/{flow}.py", "run", "--run-id-file", str(run_id_file)]
        for name, value in (parameters or {}).items():
            command += [f"--{name}", value]
        log = settings.home / "log" / "flows" / f"{flow}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        tail: list[str] = []
        with (
            log.open("a", encoding="utf-8") as log_file,
            subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env=for_child(settings.home, os.environ, PYTHONUNBUFFERED="1"),
                umask=0o077,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
            ) as process,
        ):
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    log_file.write(line)
                    tail = [*tail[1 - _TAIL_LINES :], line.rstrip()]
                    if on_line is not None:
                        on_line(line.rstrip())
            except BaseException:
                # SIGTERM reaches only this process, not the flow and its steps.
                _end_tree(process.pid)
                raise
        run_id = run_id_file.read_text().strip() if run_id_file.exists() else ""
    if process.returncode != 0:
        resume = f"python flows/{flow}.py resume --origin-run-id {run_id}" if run_id else ""
        raise FlowFailed(
            f"the {flow} flow failed (full log: {log}):\n"
            + _cause(tail)
            + (f"\nfix the cause, then run: {resume}" if resume else "")
        )
    return FlowRun(
        flow=flow,
        run_id=run_id,
        seconds=time.monotonic() - started,
        artifacts=_artifacts(flow, settings.home, run_id),
    )


def _cause(tail: Sequence[str]) -> str:
    """The last known error, without its traceback; all the lines if there is none."""
    known = [match[1] for line in tail if (match := _KNOWN_ERROR.search(line))]
    return known[-1] if known else "\n".join(tail)


def _end_tree(pid: int) -> None:
    """End a process and all that it started."""
    import psutil  # seldom needed

    try:
        parent = psutil.Process(pid)
        tree = [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in tree:
            with suppress(psutil.NoSuchProcess):
                end(process)
        _, tree = psutil.wait_procs(tree, timeout=_END_SECONDS)


def _artifacts(flow: str, home: Path, run_id: str) -> dict[str, Any]:
    from metaflow import Run, metadata, namespace

    namespace(None)
    metadata(f"local@{home}")
    data = Run(f"{FLOW_CLASSES[flow]}/{run_id}").data
    return {name: getattr(data, name, None) for name in _ARTIFACTS[flow]}


def follow(
    settings: Settings,
    *,
    first: str = "ingest",
    train_parameters: Mapping[str, str] | None = None,
    on_start: Callable[[str], None] | None = None,
    on_line: Callable[[str, str], None] | None = None,
) -> Iterator[FlowRun]:
    """Run the flow ``first`` and every flow that its events start; yields each finished run.

    Flows that an interrupted pipeline did not start run before it.
    """
    queue = [*pending_flows(settings), (first, {})]
    while queue:
        flow, parameters = queue.pop(0)
        if flow == "train":
            # Who lets the pipeline run starts no training: a verdict does.
            parameters |= {"started-by": "event", **(train_parameters or {})}
        if on_start is not None:
            on_start(flow)
        run = run_flow(
            flow,
            settings,
            parameters,
            None if on_line is None else (lambda line, flow=flow: on_line(flow, line)),  # type: ignore[misc]
        )
        yield run
        for event in run.events:
            if started := STARTS.get(event["type"]):
                queue.append((started, _parameters_of(event)))


def pending_flows(settings: Settings) -> list[tuple[str, dict[str, str]]]:
    """The flows that an event should have started but nothing did: (flow, parameters), in order.

    A ready batch without a verdict is to be judged. The newest verdict or monitoring check that
    requested training is to be trained on if no decision is newer. One training serves both.
    """
    with Warehouse(settings.database_url) as warehouse:
        name = settings.model_name
        verdicts = warehouse.verdicts_by_batch(name)
        newest = warehouse.newest_verdict(name)
        checks = warehouse.monitor_history(limit=1, requested_training=True, name=name)
        decisions = warehouse.model_history(limit=1, name=name)
        pending = [
            ("drift", _flow_parameters(batch.batch_id, batch.correlation_id))
            for batch in warehouse.batches(status="ready")
            if not _is_judged(batch, verdicts.get(batch.batch_id, set()))
        ]
    requests = []
    if newest is not None and newest.requests_training:
        requests.append((newest.decided_at, newest.batch_id, newest.correlation_id))
    requests += [(check.looked_at, "", check.correlation_id) for check in checks]
    if requests:
        requested_at, batch_id, correlation_id = max(requests)
        if not decisions or decisions[0].decided_at < requested_at:
            pending.insert(0, ("train", _flow_parameters(batch_id, correlation_id)))
    return pending


def _is_judged(batch: Batch, verdicts: set[Verdict]) -> bool:
    """A broken feed is a verdict until a person accepts the batch."""
    return bool(verdicts - {"broken_feed"}) or (batch.refused and bool(verdicts))


def _parameters_of(event: Mapping[str, Any]) -> dict[str, str]:
    return _flow_parameters(str(event["data"].get("batch_id", "")), str(event["correlationid"]))


def _flow_parameters(batch_id: str, correlation_id: str) -> dict[str, str]:
    parameters = {"batch-id": batch_id, "correlation-id": correlation_id}
    return {name: value for name, value in parameters.items() if value}
