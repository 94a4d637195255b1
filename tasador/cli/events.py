"""Commands that show the events of the platform."""

from __future__ import annotations

import json as json_module
import time
from typing import Annotated, Any

import typer

from tasador.errors import ConfigurationError
from tasador.events.event import TYPES
from tasador.machine.reachable import require_running
from tasador.settings import Settings

app = typer.Typer(help="Follow the CloudEvents of the platform.", no_args_is_help=True)
_PAUSE = 0.3


@app.command()
def tail(
    type_: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Only events of this type; may be repeated."),
    ] = None,
    last: Annotated[int, typer.Option(min=0, max=1000, help="Begin with so many older ones.")] = 10,
    follow: Annotated[bool, typer.Option(help="Go on until Ctrl-C.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print whole events, one a line.")] = False,
) -> None:
    """Print the events that the broker accepted, as they arrive."""
    settings = Settings.load()
    if settings.platform != "embedded":
        raise ConfigurationError(
            "only the embedded platform's broker keeps events: on a cluster a Trigger sends them "
            "to a service of yours (docs/events.md)"
        )
    wanted = {name if name.startswith("tasador.") else f"tasador.{name}" for name in type_ or ()}
    if unknown := wanted - set(TYPES):
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))}: the types are {', '.join(TYPES)}", param_hint="--type"
        )
    require_running(settings, "gateway_admin_url")
    from tasador.local import gateway_client

    events = gateway_client.events(settings)
    chosen = [event for event in events if not wanted or event["type"] in wanted]
    _show(chosen[-last:] if last else [], json)
    seq = events[-1]["seq"] if events else 0
    while follow:
        time.sleep(_PAUSE)
        for event in gateway_client.events(settings, after=seq):
            seq = event["seq"]
            if not wanted or event["type"] in wanted:
                _show([event], json)


def _show(events: list[dict[str, Any]], as_json: bool) -> None:
    for event in events:
        if as_json:
            kept = {n: v for n, v in event.items() if n not in ("seq", "received", "pending")}
            typer.echo(json_module.dumps(kept, separators=(",", ":")))
            continue
        at = time.strftime("%H:%M:%S", time.localtime(event["received"]))
        waits = f"  waits for {', '.join(event['pending'])}" if event["pending"] else ""
        subject = event.get("subject", "")
        typer.echo(f"{at}  {event['type']:<28}  {event['source']:<32}  {subject}{waits}")
