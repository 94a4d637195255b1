"""Stand-ins for docker, k3d and kubectl: they log their arguments and keep a small state.

``install`` puts them on PATH as a shell script, which logs each call and ends most of them; this
program answers the others. The folder STUB has `calls`, `state.json`, `repository` (what git in the
cluster stores) and `fail`, a text: the first call that contains it fails.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(os.environ.get("STUB", ""))
STATE = FOLDER / "state.json"
APPLICATIONS = ("root", "platform", "web")


SCRIPT = """#!/bin/sh
call="${0##*/} $*"
echo "$call" >>"$STUB/calls"
if [ -f "$STUB/fail" ]; then
    case "$call" in
    *"$(cat "$STUB/fail")"*) rm "$STUB/fail"; echo "no space left" >&2; exit 1 ;;
    esac
fi
case "$call" in
*"docker build "* | *"docker push "* | *" rollout status "* | *" annotate "* | *" -k "*) exit 0 ;;
esac
exec PYTHON -S FILE "${0##*/}" "$@"
"""


def install(folder):
    """Write the stand-ins into a folder."""
    for name in ("docker", "k3d", "kubectl"):
        script = SCRIPT.replace("PYTHON", sys.executable).replace(
            "FILE", os.path.realpath(__file__)
        )
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)


def say(text):
    sys.stdout.write(text + "\n")


def state():
    return json.loads(STATE.read_text())


def keep(**changes):
    STATE.write_text(json.dumps(state() | changes))


def docker(arguments):
    if arguments == ["--version"]:
        say(f"Docker version {state()['docker']}, build 0")
    elif arguments[0] == "info":
        if not state()["docker_runs"]:
            sys.exit("Cannot connect to the Docker daemon")
        say(json.dumps({"MemTotal": state()["memory"] * 2**30, "NCPU": state()["processors"]}))


def k3d(arguments):
    if arguments == ["version"]:
        say(f"k3d version {state()['k3d']}\nk3s version v1.34.9-k3s1 (default)")
    elif arguments[:2] == ["cluster", "list"]:
        names = [("other", 1), *((("tasador", state()["servers"]),) if state()["cluster"] else ())]
        say(json.dumps([{"name": name, "serversRunning": n} for name, n in names]))
    elif arguments[:2] == ["cluster", "create"]:
        keep(cluster=True, servers=1)
    elif arguments[:2] == ["cluster", "start"]:
        keep(servers=1)
    elif arguments[:2] == ["cluster", "stop"]:
        keep(servers=0)
    elif arguments[:2] == ["cluster", "delete"]:
        keep(cluster=False, servers=0)


def kubectl(arguments):
    if arguments == ["version", "--client"]:
        say(f"Client Version: v{state()['kubectl']}\nKustomize Version: v5.7.1")
        return
    if arguments[:1] == ["kustomize"]:
        say("image: tasador-git")
        return
    assert arguments[:2] == ["--context", "k3d-tasador"], arguments
    text = " ".join(arguments[2:])
    if text == "-n argocd get application root -o name":
        if "root" not in state()["applied"]:
            sys.exit("not found")
        say("application.argoproj.io/root")
    elif text == "-n tasador get secret -o name":
        for name in state()["secrets"]:
            say(f"secret/{name}")
    elif text == "create -f -":
        keep(
            secrets={o["metadata"]["name"]: o["stringData"] for o in json.load(sys.stdin)["items"]}
        )
    elif "patch secret tasador-endpoints" in text:
        changed = json.loads(arguments[-1])["stringData"]
        secrets = state()["secrets"]
        keep(secrets=secrets | {"tasador-endpoints": secrets["tasador-endpoints"] | changed})
    elif text.startswith("apply") and text.endswith("-f -"):
        given = sys.stdin.read()
        name = "root" if '"Application"' in given else "git"
        keep(applied={**state()["applied"], name: given})
    elif text.startswith("-n git exec"):
        program = arguments[arguments.index("--") + 1 :]
        program = [str(FOLDER / "repository") if a == "/git/tasador.git" else a for a in program]
        sys.exit(subprocess.run(program).returncode)
    elif "get applications.argoproj.io -o json" in text:
        git = ["git", "-C", str(FOLDER / "repository"), "rev-parse", "main"]
        head = subprocess.run(git, capture_output=True, text=True).stdout.strip()
        say(json.dumps({"items": [application(name, head) for name in APPLICATIONS]}))


def application(name, revision):
    health = state()["health"]
    return {
        "metadata": {"name": name},
        "status": {
            "sync": {"status": "Synced", "revision": revision},
            "health": {"status": health},
            "resources": [
                {"kind": "Pod", "name": "p", "health": {"status": health, "message": "no image"}}
            ],
        },
    }


def main():
    program, *arguments = sys.argv[1:]
    {"docker": docker, "k3d": k3d, "kubectl": kubectl}[program](arguments)


if __name__ == "__main__":
    main()
