"""./taskw k3d:up, down and status with programs that stand for docker, k3d and kubectl."""

import json
import re
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from cluster import images
from cluster.k3d import __main__ as command
from cluster.k3d import addresses, checks, repository, up
from cluster.k3d.credentials import SIMULATED_SOURCE, credentials
from cluster.k3d.runner import CommandFailed, Dry, Real
from cluster.k3d.settings import Settings
from tasador.warehouse.logins import login, read_passwords
from tests.kit import k3d_stub
from tests.kit.checkout import ROOT
from tests.kit.network import free_port

SETTINGS = Settings(wait_seconds=0)
NEW = {
    "docker": "27.3.1",
    "docker_runs": True,
    "memory": 16,
    "processors": 4,
    "k3d": "v5.9.0",
    "kubectl": "1.34.1",
    "cluster": False,
    "servers": 0,
    "secrets": {},
    "applied": {},
    "health": "Healthy",
}


class Machine:
    """A machine with the stand-ins on its PATH."""

    def __init__(self, folder):
        self.folder = folder
        self.state_file = folder / "state.json"
        self.set(**NEW)

    def set(self, **state):
        before = json.loads(self.state_file.read_text()) if self.state_file.exists() else {}
        self.state_file.write_text(json.dumps(before | state))

    @property
    def state(self):
        return json.loads(self.state_file.read_text())

    def calls(self):
        """The calls since the last time."""
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def fail_at(self, text):
        (self.folder / "fail").write_text(text)

    def without(self, program):
        (self.folder / "bin" / program).unlink()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A small repository in place of the checkout, for snapshots."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / repository.IMAGES).parent.mkdir(parents=True)
    (folder / repository.IMAGES).write_text((ROOT / repository.IMAGES).read_text())
    for arguments in (
        ("init", "--quiet"),
        ("add", "--all"),
        ("-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", "first"),
    ):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True)
    return folder


@pytest.fixture
def machine(tmp_path, checkout, monkeypatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    k3d_stub.install(programs)
    git = subprocess.run(["sh", "-c", "command -v git"], capture_output=True, text=True, check=True)
    (programs / "git").symlink_to(git.stdout.strip())
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("STUB", str(tmp_path))
    monkeypatch.setattr(repository, "ROOT", checkout)
    monkeypatch.setattr(images, "tag", lambda: "0123456789ab")
    monkeypatch.setattr(images, "git", lambda *arguments: "0123456789abcdef")
    port = free_port()
    monkeypatch.setattr(checks, "ports", lambda: [port])
    return Machine(tmp_path)


def start(machine, settings=SETTINGS):
    """Run k3d:up; returns the calls that it made."""
    up.up(Real(), settings)
    return machine.calls()


def changing(calls):
    """The calls that change something."""
    queries = ("version", "info", "cluster list", " get ", "kustomize", "git-upload-pack")
    return [call for call in calls if not any(query in call for query in queries)]


def test_from_nothing_everything_is_created_in_order(machine, capsys):
    calls = changing(start(machine))
    order = [
        "k3d cluster create --config",
        "docker build -t localhost:30555/tasador-flows:0123456789ab .",
        "docker push --quiet localhost:30555/tasador-flows:0123456789ab",
        "-k cluster/addons/argo-cd",
        "-n argocd rollout status deployment/argocd-server",
        "-k cluster/namespace",
        "kubectl --context k3d-tasador create -f -",
        "-n git rollout status statefulset/git",
        "git init --quiet --bare",
        "git-receive-pack",
        "annotate --overwrite application --all argocd.argoproj.io/refresh=normal",
    ]
    positions = [next(i for i, call in enumerate(calls) if text in call) for text in order]
    assert positions == sorted(positions)
    state = machine.state
    pushed = [call.rpartition(" ")[2] for call in calls if "docker push" in call]
    assert pushed == [f"localhost:30555/tasador-{n}:0123456789ab" for n in images.IMAGES]
    assert set(state["secrets"]) == set(credentials())
    assert "image: k3d-registry.localhost:5000/tasador-git:0123456789ab" in state["applied"]["git"]
    source = json.loads(state["applied"]["root"])["spec"]["source"]
    assert source["repoURL"] == repository.URL
    assert source["path"] == "cluster/environments/k3d"
    printed = capsys.readouterr().out
    assert "http://127.0.0.1:30501" in printed
    assert "http://127.0.0.1:30500" in printed
    # Its application does not exist in this cluster.
    assert "30300" not in printed
    # How to go on, last.
    assert printed.rstrip().endswith(addresses.NEXT)
    assert "tasador connect k3d" in addresses.NEXT


def test_the_repository_in_the_cluster_has_the_checkout_and_the_images(machine, checkout):
    start(machine)
    git = ["git", "-C", str(machine.folder / "repository")]
    shown = subprocess.run(
        [*git, "show", f"main:{repository.IMAGES}"], capture_output=True, text=True
    )
    assert shown.stdout.count('newTag: "0123456789ab"') == shown.stdout.count("newName")
    assert shown.stdout.count("newName: k3d-registry.localhost:5000/tasador-") > 5
    status = subprocess.run(
        ["git", "-C", str(checkout), "status", "--porcelain"], capture_output=True, text=True
    )
    assert status.stdout == "", "the checkout itself has not changed"


def test_a_second_run_changes_nothing(machine):
    start(machine)
    before = machine.state
    git = ["git", "-C", str(machine.folder / "repository"), "rev-parse", "main"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout
    calls = start(machine)
    assert not any("cluster create" in call or "cluster start" in call for call in calls)
    assert not any("argo-cd" in call or "create -f" in call for call in calls)
    after = machine.state
    assert after["secrets"] == before["secrets"]
    assert subprocess.run(git, capture_output=True, text=True).stdout == commit


def test_changed_files_become_a_commit_on_top(machine, checkout):
    start(machine)
    added = checkout / "added.txt"
    added.write_text("new\n")
    try:
        start(machine)
    finally:
        added.unlink()
    git = ["git", "-C", str(machine.folder / "repository")]
    done = subprocess.run([*git, "rev-list", "main"], capture_output=True, text=True)
    assert len(done.stdout.split()) == 2
    shown = subprocess.run([*git, "show", "main:added.txt"], capture_output=True, text=True)
    assert shown.stdout == "new\n"


def test_a_stopped_cluster_is_started(machine):
    machine.set(cluster=True, servers=0)
    calls = start(machine)
    assert "k3d cluster start tasador --wait" in calls
    assert not any("cluster create" in call for call in calls)


@pytest.mark.parametrize("step", ["cluster create", "tasador-web", "addons/argo-cd", "create -f -"])
def test_a_run_after_a_failure_finishes(machine, step):
    machine.fail_at(step)
    with pytest.raises(CommandFailed, match=r"failed \(exit 1\)"):
        start(machine)
    assert "root" not in machine.state["applied"]
    start(machine)
    assert set(machine.state["secrets"]) == set(credentials())
    assert "root" in machine.state["applied"]


@pytest.mark.parametrize("program", ["docker", "k3d", "kubectl"])
def test_a_missing_program_is_named_and_nothing_is_started(machine, program, monkeypatch):
    machine.without(program)
    monkeypatch.setenv("PATH", str(machine.folder / "bin"))
    with pytest.raises(CommandFailed, match=f"nothing was started:\n  {program} is not installed"):
        start(machine)
    assert not changing(machine.calls())


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"docker": "20.10.24"}, r"docker 20\.10\.24 is too old: 24\.0 or newer"),
        ({"k3d": "v5.4.1"}, r"k3d 5\.4\.1 is too old"),
        ({"kubectl": "1.28.3"}, r"kubectl 1\.28\.3 is too old"),
        ({"k3d": "unknown"}, "k3d does not print its version"),
        ({"docker_runs": False}, "docker does not run.*Cannot connect"),
        ({"memory": 4}, r"docker has 4\.0 GiB of memory, 8 are needed"),
        ({"processors": 1}, "docker has 1 processors, 2 are needed"),
    ],
)
def test_an_unfit_machine_is_described_and_nothing_is_started(machine, state, message):
    machine.set(**state)
    with pytest.raises(CommandFailed, match=message):
        start(machine)
    assert not changing(machine.calls())


def test_all_problems_are_listed_at_once(machine):
    machine.set(memory=2, k3d="v5.0.0")
    with pytest.raises(CommandFailed, match="k3d 5") as error:
        start(machine)
    assert "2.0 GiB" in str(error.value)


def test_a_port_in_use_is_named_unless_the_cluster_itself_uses_it(machine, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(checks, "ports", lambda: [port])
        with pytest.raises(CommandFailed, match=f"port {port} of 127.0.0.1 is in use"):
            start(machine)
        machine.set(cluster=True, servers=1)
        start(machine)


def test_an_unhealthy_application_is_named_with_its_reason(machine):
    machine.set(health="Degraded")
    with pytest.raises(
        CommandFailed, match=r"(?s)not healthy after 0 s.*web: Synced, Degraded: Pod p: no"
    ):
        start(machine)


def test_a_missing_secret_is_not_created_alone(machine):
    start(machine)
    secrets = machine.state["secrets"]
    del secrets["tasador-postgres"]
    machine.set(secrets=secrets)
    with pytest.raises(CommandFailed, match="lacks the Secrets tasador-postgres"):
        start(machine)


def test_another_source_reaches_an_existing_cluster(machine):
    start(machine)
    before = machine.state["secrets"]
    assert before["tasador-endpoints"]["TASADOR_SOURCE_URL"] == SIMULATED_SOURCE
    start(machine, replace(SETTINGS, source_url="http://course.test"))
    after = machine.state["secrets"]
    assert after["tasador-endpoints"].pop("TASADOR_SOURCE_URL") == "http://course.test"
    before["tasador-endpoints"].pop("TASADOR_SOURCE_URL")
    assert after == before


def test_with_a_remote_no_git_server_is_started(machine):
    calls = start(machine, replace(SETTINGS, git_url="https://git.test/t.git", git_revision="next"))
    assert not any("-n git" in call for call in calls)
    source = json.loads(machine.state["applied"]["root"])["spec"]["source"]
    assert (source["repoURL"], source["targetRevision"]) == ("https://git.test/t.git", "next")


def test_dry_run_prints_each_command_and_runs_none(machine, capsys):
    up.up(Dry(), SETTINGS)
    lines = capsys.readouterr().out.splitlines()
    assert machine.calls() == []
    # It has the order of a real run, and nothing secret.
    assert lines[0].startswith("k3d cluster create --config")
    assert "kubectl --context k3d-tasador create -f -  # reads the random Secrets" in lines
    assert sum("docker push" in line for line in lines) == len(images.IMAGES)
    assert lines[-1].endswith("argocd.argoproj.io/refresh=normal")


def test_logins_read_existing_secrets():
    created = credentials()
    for each in addresses.ADDRESSES:
        for name, key in re.findall(r"-n tasador get secret (\S+) .*?data\.(\w+)", each.login):
            assert key in created[name], each.name


def test_every_part_behind_a_password_says_how_to_get_it():
    logins = {each.name: each.login for each in addresses.ADDRESSES}
    for name in ("MLflow", "Argo CD", "Argo Workflows", "Postgres", "S3"):
        assert "kubectl" in logins[name], name


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["k3d", *arguments])
    command.main()


def test_down_stops_and_deletes_only_when_asked(machine, monkeypatch, capsys):
    run(monkeypatch, "down")
    assert capsys.readouterr().out == "there is no cluster tasador\n"
    start(machine)
    run(monkeypatch, "down")
    assert machine.state["cluster"]
    assert machine.state["servers"] == 0
    run(monkeypatch, "down", "--delete")
    assert not machine.state["cluster"]


def test_status_says_what_is_not_healthy(machine, monkeypatch, capsys):
    with pytest.raises(SystemExit, match=r"does not run: \./taskw k3d:up"):
        run(monkeypatch, "status")
    start(machine)
    run(monkeypatch, "status")
    assert "web: Synced, Healthy" in capsys.readouterr().out
    machine.set(health="Progressing")
    with pytest.raises(SystemExit, match="not healthy: root, platform, web"):
        run(monkeypatch, "status")


def test_root_is_printed_for_another_cluster(monkeypatch, capsys):
    run(
        monkeypatch, "root", "--repository", "https://git.test/t.git", "--environment", "production"
    )
    assert (
        json.loads(capsys.readouterr().out)["spec"]["source"]["repoURL"] == "https://git.test/t.git"
    )


def test_a_wrong_setting_is_named(machine, monkeypatch):
    monkeypatch.setenv("TASADOR_K3D_WAIT", "soon")
    with pytest.raises(SystemExit, match="TASADOR_K3D_WAIT is 'soon'"):
        run(monkeypatch, "up")


def test_passwords_are_random_and_match():
    first, second = credentials(), credentials()
    owner = first["tasador-postgres"]["POSTGRES_PASSWORD"]
    assert owner != second["tasador-postgres"]["POSTGRES_PASSWORD"]
    assert f":{owner}@" in first["tasador-owner"]["TASADOR_DATABASE_URL"]
    passwords = read_passwords(first["tasador-owner"]["TASADOR_DATABASE_ROLES"])
    assert len({owner, *passwords.values()}) == 1 + len(passwords)
    for part, name, key in (
        ("flows", "tasador-flows", "TASADOR_DATABASE_URL"),
        ("record", "tasador-history", "TASADOR_DATABASE_URL"),
        ("web", "tasador-web", "TASADOR_DATABASE_URL"),
        ("mlflow", "tasador-mlflow", "MLFLOW_BACKEND_STORE_URI"),
    ):
        assert f"//{login(part)}:{passwords[part]}@" in first[name][key]
    identities = json.loads(first["tasador-objects"]["s3.json"])["identities"]
    keys = {i["name"]: i["credentials"][0]["secretKey"] for i in identities}
    assert keys["flows"] == first["tasador-flows"]["AWS_SECRET_ACCESS_KEY"]
    assert keys["serving"] == first["tasador-serving"]["TASADOR_S3_SECRET_KEY"]
    assert keys["metaflow"] == first["tasador-metaflow"]["AWS_SECRET_ACCESS_KEY"]
    assert len(set(keys.values())) == len(keys)
