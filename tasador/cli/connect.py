"""`tasador connect`: use a cluster from this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tasador.errors import ConfigurationError


def connect(
    name: Annotated[str, typer.Argument(help="The profile's name.")] = "k3d",
    context: Annotated[
        str, typer.Option(help="kubectl's context. Default: k3d-tasador for k3d, else NAME.")
    ] = "",
    namespace: Annotated[str, typer.Option(help="Where Tasador runs.")] = "tasador",
    url: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SETTING=URL",
            help="An address that this machine reaches without a port-forward, for example "
            "metaflow_service_url=https://metaflow.example. May be repeated.",
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Port-forwards use the ports after this one.")] = 41000,
    forward: Annotated[
        bool, typer.Option(help="Stay, and carry connections by kubectl port-forward.")
    ] = False,
) -> None:
    """Write a profile with a cluster's addresses and keys.

    Then flows, cards, `resume`, Metaflow's Client API and commands of Tasador work from this
    machine. Reads the cluster's Secrets by kubectl. The profile is outside the checkout, and only
    your account can read it.
    """
    from tasador.machine.reachable import without_password
    from tasador.operations.connect import (
        Cluster,
        carry,
        metaflow_profile,
        reachable_from_here,
        write,
    )

    cluster = Cluster(context or ("k3d-tasador" if name == "k3d" else name), namespace)
    inside = cluster.settings()
    values, forwards = reachable_from_here(inside, _by_setting(url or []), port)
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    home = config / "tasador" / name
    metaflow_home = os.environ.get("METAFLOW_HOME", "~/.metaflowconfig")
    profile_file = Path(metaflow_home).expanduser() / f"config_{name}.json"
    write(home, values, profile_file, metaflow_profile(values, inside))
    typer.echo(f"settings          {home}")
    typer.echo(f"Metaflow profile  {profile_file}\n")
    for each in forwards:
        address = without_password(values[f"TASADOR_{each.setting.upper()}"])
        typer.echo(f"{each.service:<34}{address}")
    typer.echo("\nIn each shell:")
    typer.echo(f"    export TASADOR_HOME={home} METAFLOW_PROFILE={name}")
    if forwards and not forward:
        typer.echo("and in one that stays:")
        typer.echo(f"    tasador connect {name} --forward")
    if forward:
        typer.echo("\nconnected until Ctrl-C")
        carry(cluster, forwards, lambda text: typer.echo(text, err=True))


def _by_setting(pairs: list[str]) -> dict[str, str]:
    urls = {}
    for pair in pairs:
        name, equals, url = pair.partition("=")
        if not equals or "://" not in url:
            raise ConfigurationError(f"--url {pair}: write SETTING=URL, with https:// or the like")
        urls[name] = url
    return urls


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(connect)
