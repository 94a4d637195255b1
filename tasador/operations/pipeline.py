"""The loop, followed in process: what Argo Events does on a cluster, this does on one machine.

A flow ends with the events that it published; each event type starts at most one flow. On a cluster
the same events start the same flows through @trigger.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasador.errors import TasadorError
from tasador.events.event import BATCH_INGESTED, DRIFT_DETECTED, TRAINING_REQUESTED
from tasador.settings import Settings
from tasador.warehouse.warehouse import Warehouse

# More verdicts than any source has batches.
_LOOKED_BACK = 10_000

CHECKOUT = Path(__file__).resolve().parents[2]

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
    """A flow ended with an error; the message holds the end of its log and the way to go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRun:
    """One finished run of a flow: its end state as the flow's artifacts say it."""

    flow: str
    run_id: str
    seconds: float
    artifacts: Mapping[str, Any]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The CloudEvents that the run published, as structured JSON."""
        return list(self.artifacts.get("events") or [])


# What a finished run is asked for, flow by flow.
_ARTIFACTS = {
    "ingest": ("status", "batch_id", "correlation_id", "events", "batch"),
    "drift": ("verdict", "moved", "hurts", "reasons", "batch_id", "correlation_id", "events"),
    "train": ("decision", "reasons", "version", "promotion", "correlation_id", "metrics", "events"),
    "monitor": ("verdict", "reasons", "asked_says", "correlation_id", "events"),
}


def run_flow(
    flow: str,
    settings: Settings,
    parameters: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> FlowRun:
    """Run one flow to its end as ``python flows/NAME.py run``; raises FlowFailed."""
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
            log.open("a") as kept,
            subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env={**os.environ, "TASADOR_HOME": str(settings.home), "PYTHONUNBUFFERED": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                kept.write(line)
                tail = [*tail[-39:], line.rstrip()]
                if on_line is not None:
                    on_line(line.rstrip())
        run_id = run_id_file.read_text().strip() if run_id_file.exists() else ""
    if process.returncode != 0:
        resume = f"python flows/{flow}.py resume --origin-run-id {run_id}" if run_id else ""
        raise FlowFailed(
            f"the {flow} flow failed (whole log: {log}):\n"
            + "\n".join(tail)
            + (f"\nmend the cause, then: {resume}" if resume else "")
        )
    return FlowRun(
        flow=flow,
        run_id=run_id,
        seconds=time.monotonic() - started,
        artifacts=_artifacts(flow, run_id),
    )


def _artifacts(flow: str, run_id: str) -> dict[str, Any]:
    # The client finds the local datastore from the current folder upwards, as the flows do.
    from metaflow import Run, namespace

    namespace(None)
    here = Path.cwd()
    os.chdir(CHECKOUT)
    try:
        data = Run(f"{FLOW_CLASSES[flow]}/{run_id}").data
        return {name: getattr(data, name, None) for name in _ARTIFACTS[flow]}
    finally:
        os.chdir(here)


def follow(
    settings: Settings,
    *,
    first: str = "ingest",
    train_parameters: Mapping[str, str] | None = None,
    on_start: Callable[[str], None] | None = None,
    on_line: Callable[[str, str], None] | None = None,
) -> Iterator[FlowRun]:
    """Run one flow (by default the next batch is ingested) and every flow that its events start,
    yielding each finished run.

    What an earlier pipeline was killed before is made up for first.
    """
    waiting = [*unanswered(settings), (first, {})]
    while waiting:
        flow, parameters = waiting.pop(0)
        if flow == "train":
            parameters |= dict(train_parameters or {})
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
                waiting.append((started, _parameters(event)))


def unanswered(settings: Settings) -> list[tuple[str, dict[str, str]]]:
    """The flows that events called for and nobody started: (flow, parameters), in order.

    A ready batch without a verdict is to be judged; a newest verdict, or a newest look at the
    requests, that calls for training and is younger than any decision is to be trained on. One
    training answers both.
    """
    with Warehouse(settings.database_url) as warehouse:
        verdicts = warehouse.drift_history(limit=_LOOKED_BACK)
        looks = warehouse.monitor_history(limit=1, requested_training=True)
        decisions = warehouse.model_history(limit=1)
        judged = {verdict.batch_id for verdict in verdicts}
        lost = [
            ("drift", _asking(batch.batch_id, batch.correlation_id))
            for batch in warehouse.batches(status="ready")
            if batch.batch_id not in judged
        ]
    calls = [
        (v.decided_at, v.batch_id, v.correlation_id)
        for v in verdicts[:1]
        if v.verdict != "no_drift"
    ]
    calls += [(look.looked_at, "", look.correlation_id) for look in looks]
    if calls:
        called_at, batch_id, correlation_id = max(calls)
        if not decisions or decisions[0].decided_at < called_at:
            lost.insert(0, ("train", _asking(batch_id, correlation_id)))
    return lost


def _asking(batch_id: str, correlation_id: str) -> dict[str, str]:
    given = {"batch-id": batch_id, "correlation-id": correlation_id}
    return {name: value for name, value in given.items() if value}


def _parameters(event: Mapping[str, Any]) -> dict[str, str]:
    return _asking(str(event["data"].get("batch_id", "")), str(event["correlationid"]))
