"""The platform in a cluster of k3d on this machine: ./taskw k3d:up, down, status, demo.

python -m cluster.k3d up [--dry-run]
"""

import argparse
import json
import os
import sys
from pathlib import Path

from cluster.k3d import addresses, demo, up
from cluster.k3d.root import root
from cluster.k3d.runner import CommandFailed, Dry, Real, Runner
from cluster.k3d.settings import CLUSTER, Settings

ROOT = Path(__file__).resolve().parents[2]


def down(runner: Runner, delete: bool) -> None:
    """Stop the cluster, or delete it with its data, its registry and its images."""
    if not runner.dry and not up.cluster_state(runner):
        print(f"there is no cluster {CLUSTER}")
        return
    runner.run("k3d", "cluster", "delete" if delete else "stop", CLUSTER)


def status(runner: Runner, settings: Settings) -> None:
    """Print every application and the addresses; CommandFailed if one is not healthy."""
    if up.cluster_state(runner) != "running":
        raise CommandFailed(f"the cluster {CLUSTER} does not run: ./taskw k3d:up starts it")
    found = up.read(runner, settings)
    if not found:
        raise CommandFailed("Argo CD has no applications: run ./taskw k3d:up")
    for each in found:
        print(each.text)
    print(addresses.text({each.name for each in found}))
    if late := [each.name for each in found if not each.done]:
        raise CommandFailed(f"not healthy: {', '.join(late)}")


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parsed = argparse.ArgumentParser(prog="k3d", description=__doc__)
    commands = parsed.add_subparsers(dest="command", required=True)
    for name, text in (
        ("up", "start the cluster, install everything, print the addresses"),
        ("down", "stop the cluster; its data stays"),
        ("status", "the applications and the addresses"),
        ("demo", "play the six simulated batches"),
    ):
        each = commands.add_parser(name, help=text)
        each.add_argument("--dry-run", action="store_true", help="print the commands instead")
        if name == "down":
            each.add_argument("--delete", action="store_true", help="delete the data too")
    each = commands.add_parser("root", help="print the root application, for another cluster")
    each.add_argument("--repository", required=True, help="the address of your git repository")
    each.add_argument("--revision", default="main", help="its branch")
    each.add_argument("--environment", default="production", help="cluster/environments/NAME")
    return parsed


def main() -> None:
    """Run one command."""
    options = parser().parse_args()
    if options.command == "root":
        print(json.dumps(root(options.repository, options.revision, options.environment), indent=2))
        return
    os.chdir(ROOT)
    runner: Runner = Dry() if options.dry_run else Real()
    try:
        settings = Settings.load()
        if options.command == "up":
            up.up(runner, settings)
        elif options.command == "down":
            down(runner, options.delete)
        elif options.command == "status":
            status(runner, settings)
        else:
            demo.demo(runner, settings)
    except (CommandFailed, ValueError) as error:
        sys.exit(f"k3d:{options.command}: {error}")


if __name__ == "__main__":
    main()
