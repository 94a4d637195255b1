"""Commands for people who sign in to the web app, and for the record of what they did."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tasador.cli.output import print_json
from tasador.machine.reachable import require_running
from tasador.settings import Settings

app = typer.Typer(
    help="Add, list and remove the accounts that may sign in to the web app.",
    no_args_is_help=True,
)
Name = Annotated[
    str, typer.Argument(help="Name of the account, preferably the person's user name.")
]
RoleOption = Annotated[str, typer.Option(help="viewer reads; operator also acts.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def add(name: Name, role: RoleOption = "viewer") -> None:
    """Add an account. Its password comes from a prompt, or from the first line of stdin.

    A version that waits for approval cannot be approved by the person who started its training, so
    give an account the person's user name on the machines that start flows.
    """
    settings = _settings()
    from tasador.accounts import verbs
    from tasador.machine.environment import whoami
    from tasador.warehouse.warehouse import Warehouse

    # Before anybody types a password for a name that no account may have.
    verbs.known_role(role)
    normal = verbs.normal_name(name)
    with Warehouse(settings.database_url) as warehouse:
        account = verbs.add_account(warehouse, normal, role, _password(normal), whoami())
    typer.echo(f"{account.name} may sign in as {account.role}")


@app.command("list")
def list_(json: AsJson = False) -> None:
    """List the accounts and their roles."""
    settings = _settings()
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        accounts = warehouse.accounts()
    if json:
        shown = ("name", "role", "created_by", "created_at", "password_set_at")
        print_json([{name: getattr(account, name) for name in shown} for account in accounts])
        return
    from tasador.cli.console import console
    from tasador.cli.tables import accounts_report

    console.print(accounts_report(accounts))


@app.command()
def passwd(name: Name) -> None:
    """Set a new password, from a prompt or the first line of stdin. The account's sessions end."""
    settings = _settings()
    from tasador.accounts import verbs
    from tasador.machine.environment import whoami
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        verbs.set_password(warehouse, name, _password(name), whoami())
    typer.echo(f"{name} has a new password, and its sessions have ended")


@app.command()
def role(name: Name, role: Annotated[str, typer.Argument(help="viewer or operator.")]) -> None:
    """Give an account another role, from its next action on."""
    settings = _settings()
    from tasador.accounts import verbs
    from tasador.machine.environment import whoami
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        verbs.set_role(warehouse, name, role, whoami())
    typer.echo(f"{name} now has the role {role}")


@app.command()
def remove(name: Name) -> None:
    """Remove an account. Its sessions end; the record of what it did stays."""
    settings = _settings()
    from tasador.accounts import verbs
    from tasador.machine.environment import whoami
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        verbs.remove_account(warehouse, name, whoami())
    typer.echo(f"{name} can no longer sign in")


def actions(
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many to list, newest first.")
    ] = 50,
    json: AsJson = False,
) -> None:
    """List what people did: who, what, when, and with which outcome."""
    settings = _settings()
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        recorded = warehouse.actions(limit)
    if json:
        print_json(recorded)
        return
    from tasador.cli.console import console
    from tasador.cli.tables import actions_report

    console.print(actions_report(recorded))


def _settings() -> Settings:
    return require_running(Settings.load(), "database_url")


def _password(name: str) -> str:
    """From a prompt, typed twice; from the first line of stdin if that is not a terminal."""
    if sys.stdin.isatty():
        prompt = f"Password of {name}"
        return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(actions)
