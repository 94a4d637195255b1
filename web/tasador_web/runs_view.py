"""Where the logs and cards of the runs behind a turn are. No Reflex."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from tasador_web.languages import text
from tasador_web.pipeline_view import Turn

# Stage: what its flow is called in sentences. The gate is a step of the training.
FLOWS = {"Ingest": "ingest", "Drift": "drift", "Train": "training"}


@dataclass
class RunPages:
    """Where the card server of this machine shows the run behind a stage."""

    name: str
    label: str  # the name in the language of the page
    card: str
    log: str


def runs_of(turn: Turn, servers: Mapping[str, str]) -> list[RunPages]:
    """The runs of a turn that have begun; ``servers`` has the card server of each flow."""
    begun = (FLOWS.get(s.name, "") for s in turn.stages if s.state not in ("skipped", "next"))
    where = {flow: f"{servers[flow]}/turn/{turn.identity}" for flow in begun if servers.get(flow)}
    return [
        RunPages(flow, spoken(flow), f"{url}/card", f"{url}/log") for flow, url in where.items()
    ]


def cards_of_version(server: str, correlation_id: str, platform: str) -> str:
    """The cards of the run that trained a version; nothing where no server finds them.

    Only the card servers of this machine find a run by its correlation id: Metaflow's own, and its
    UI, know a run by its name, which no decision has.
    """
    if server and correlation_id and platform == "embedded":
        return f"{server}/turn/{quote(correlation_id, safe='')}/card"
    return ""


def runs_in_ui(url: str) -> list[tuple[str, str]]:
    """Where Metaflow's UI lists the runs of each flow, with their logs and cards: name, address."""
    flows = ("ingest", "drift", "train", "monitor") if url else ()
    return [
        (
            text("Runs of {flow}", flow=spoken(name)),
            f"{url.rstrip('/')}/?flow_id={name.capitalize()}Flow",
        )
        for name in flows
    ]


def where_runs_are(servers: Mapping[str, str], ui: str) -> str:
    """What says where logs and cards are, if this page cannot show them; else nothing."""
    if servers:
        return ""
    commands = text(
        "From your machine: “tasador connect”, then “python flows/drift.py card view judge”. "
        "“argo logs” shows what a step printed."
    )
    seen = text("Metaflow's UI shows the log and the card of each run.") if ui else ""
    return f"{seen} {commands}".strip()


def spoken(flow: str) -> str:
    """What a flow is called in a sentence."""
    return text(flow.capitalize()).lower()
