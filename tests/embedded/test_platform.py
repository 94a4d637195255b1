"""The embedded platform: up from nothing, up again, up after anything was killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg2
import pytest

from tasador.errors import RegistryError, TasadorError
from tasador.local import endpoints, web_parts
from tasador.local.platform import CORE, Platform
from tasador.local.probe import status_of
from tasador.local.process import Daemon, DaemonFailed, Daemons, Running, started_at
from tasador.settings import Settings
from tasador.stores.lake import Lake
from tasador.stores.registry import Registry
from tasador.warehouse.warehouse import Warehouse
from tests.kit.hostile import hostile
from tests.kit.network import free_port
from tests.kit.waiting import wait_for

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def own(new_home: Callable[[], Path]) -> Iterator[tuple[Platform, Settings]]:
    """A platform that the tests here may hurt."""
    home = new_home()
    whole = Platform(home)
    try:
        yield whole, whole.up(web=False)
    finally:
        whole.down()


def check_all(settings: Settings) -> None:
    with Warehouse(settings.database_url) as warehouse:
        assert warehouse.batches() == []
    lake = Lake(settings)
    uri = lake.put_bytes(settings.bucket_raw, "probe", b"1")
    assert lake.get_bytes(uri) == b"1"
    assert status_of(f"{settings.mlflow_url}/health") == 200
    assert status_of(f"{settings.functions_url}/ready") == 503


def current(whole: Platform) -> Settings:
    """The settings after parts were killed: a port that was not free yet was replaced."""
    return Settings.load({"TASADOR_HOME": str(whole.home)})


def pid_of(home: Path, part: str) -> int:
    known = Running.read(home / "run" / f"{part}.json")
    assert known is not None
    return known.pid


def test_up_starts_all_services_and_writes_endpoints(own):
    whole, settings = own
    check_all(settings)
    assert Settings.load({"TASADOR_HOME": str(whole.home)}) == settings
    assert (whole.home / "endpoints.env").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in whole.status() if p.running] == list(CORE)
    assert not any(settings.gateway_token in p.url or "@" in p.url for p in whole.status())


def test_card_server_starts_before_any_flow_has_run(own):
    whole, settings = own
    url = f"http://127.0.0.1:{free_port()}"
    (cards,) = web_parts.daemons(settings._replace(cards_ingest_url=url))[:1]
    daemons = Daemons(whole.home)
    assert daemons.start(cards)
    assert (cards.name, status_of(url)) == ("cards-ingest", 200)
    daemons.stop(cards.name)


def test_second_up_starts_nothing(own):
    whole, settings = own
    pids = [pid_of(whole.home, part) for part in CORE]
    messages: list[str] = []
    assert whole.up(web=False, progress=messages.append) == settings
    assert messages == []
    assert [pid_of(whole.home, part) for part in CORE] == pids


def test_services_refuse_wrong_secrets(own):
    _, settings = own
    port = urlsplit(settings.database_url).port
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(f"postgresql://tasador:wrong@127.0.0.1:{port}/tasador")
    assert status_of(f"{settings.s3_endpoint}/{settings.bucket_raw}") in (400, 403)
    with pytest.raises(TasadorError):
        Lake(settings._replace(s3_secret_key="wrong")).put_bytes(settings.bucket_raw, "x", b"1")
    assert status_of(f"{settings.gateway_admin_url}/services") == 401


def test_command_lines_contain_no_secret(own):
    whole, settings = own
    secrets = (
        settings.s3_secret_key,
        settings.gateway_token,
        urlsplit(settings.database_url).password,
    )
    for part in CORE:
        line = Path(f"/proc/{pid_of(whole.home, part)}/cmdline")
        if line.exists():
            assert not any(s.encode() in line.read_bytes() for s in secrets), part


# Part -> a command that needs it, and what it says.
NEEDING = {
    "postgres": (("models",), "Postgres is not running"),
    "objects": (("dossier",), "The object store is not running"),
    "mlflow": (("models",), "MLflow is not running"),
    "gateway": (("dead-letters", "list"), "The gateway is not running"),
}


@pytest.mark.parametrize("part", CORE)
def test_commands_name_a_killed_service_and_up_restarts_it(own, part, tmp_path):
    """In a shell that is set up for other tools, which concerns what `up` starts as well."""
    whole, settings = own

    def tasador(*arguments):
        command = (sys.executable, "-m", "tasador", *arguments)
        environ = {**hostile(tmp_path), "TASADOR_HOME": str(whole.home)}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=240)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    others = {p: pid_of(whole.home, p) for p in CORE if p != part}
    os.kill(pid_of(whole.home, part), signal.SIGKILL)
    arguments, words = NEEDING[part]
    for command in (arguments, ("doctor",)):
        code, output = tasador(*command)
        assert code == 1
        assert f"{words} (127.0.0.1:" in output
    code, output = tasador("status")
    assert code == 1
    assert f"\n{part} not running: start with `tasador up`" in output
    code, output = tasador("up", "--no-web")
    assert code == 0, output
    check_all(settings)
    assert {p: pid_of(whole.home, p) for p in others} == others
    assert tasador("status")[0] == tasador("doctor")[0] == 0


def test_mlflow_answers_through_a_tunnel_and_names_the_setting_otherwise(own):
    _, settings = own
    for host, status in (("localhost:9999", 200), ("127.0.0.1:1", 200), ("box.example", 403)):
        answer = httpx.get(settings.mlflow_url, headers={"host": host}, trust_env=False)
        assert answer.status_code == status, host
    assert "TASADOR_MLFLOW_HOSTS" in answer.text


def test_deleted_experiment_says_how_to_restore_it(own):
    from mlflow import MlflowClient

    _, settings = own
    registry = Registry(settings._replace(model_name="deleted"))
    registry.open_run("t-1", "c-1")
    client = MlflowClient(settings.mlflow_url)
    experiment = client.get_experiment_by_name("deleted")
    client.delete_experiment(experiment.experiment_id)
    with pytest.raises(RegistryError, match=r"deleted is deleted: restore it with `MLFLOW_TRACK"):
        registry.open_run("t-2", "c-1")
    client.restore_experiment(experiment.experiment_id)
    assert registry.open_run("t-1", "c-1")


@pytest.mark.parametrize("part", CORE)
def test_up_after_an_up_that_was_killed_before_it_recorded_a_part(own, part):
    whole, _ = own
    lost = pid_of(whole.home, part)
    # As the killed command leaves it: the process runs, and no file describes it.
    (whole.home / "run" / f"{part}.json").unlink()
    check_all(whole.up(web=False))
    assert started_at(lost) is None


def test_mlflow_recovers_from_a_database_kill(own):
    from mlflow import MlflowClient

    whole, _ = own
    client = MlflowClient(current(whole).mlflow_url)
    assert "Default" in [e.name for e in client.search_experiments()]
    os.kill(pid_of(whole.home, "postgres"), signal.SIGKILL)
    whole.up(web=False)
    assert "Default" in [e.name for e in client.search_experiments()]


def test_up_creates_both_databases(own):
    whole, _ = own
    base = current(whole).database_url.rpartition("/")[0]
    for name in ("tasador", "mlflow"):
        with closing(psycopg2.connect(f"{base}/{name}")) as connection:
            assert connection.info.dbname == name


def test_down_and_up_keep_data_and_replace_taken_ports(own):
    whole, _ = own
    settings = current(whole)
    Lake(settings).put_bytes(settings.bucket_clean, "kept", b"yes")
    pids = [pid_of(whole.home, part) for part in CORE]
    whole.down()
    assert [started_at(pid) for pid in pids] == [None] * len(pids)
    assert not any(p.running for p in whole.status())
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", urlsplit(settings.s3_endpoint).port))
        squatter.listen()
        moved = whole.up(web=False)
        assert moved.s3_endpoint != settings.s3_endpoint
        assert moved.database_url == settings.database_url
        assert moved.s3_secret_key == settings.s3_secret_key
        assert Lake(moved).get_bytes(f"s3://{moved.bucket_clean}/kept") == b"yes"
        check_all(moved)


def test_killed_up_and_two_concurrent_ups(new_home):
    home = new_home()
    command = (
        sys.executable,
        "-c",
        "from tasador.local.platform import Platform; from pathlib import Path;"
        f"Platform(Path({str(home)!r})).up(web=False)",
    )
    whole = Platform(home)
    try:
        with subprocess.Popen(command) as first:
            wait_for((home / "run" / "gateway.json").exists)
            first.kill()
        with subprocess.Popen(command) as one, subprocess.Popen(command) as other:
            assert (one.wait(), other.wait()) == (0, 0)
        check_all(whole.up(web=False))
    finally:
        whole.down()


# -- single daemons ----------------------------------------------------------------------------


def a_daemon(home: Path, code: str, **more: object) -> Daemon:
    flag = home / "flag"
    return Daemon(
        name="part",
        command=(
            *(sys.executable, "-c"),
            f"import pathlib, time; flag = pathlib.Path({str(flag)!r}); {code}",
        ),
        ready=flag.exists,
        **more,  # type: ignore[arg-type]
    )


def test_daemon_that_exits_shows_its_log(tmp_path):
    daemon = a_daemon(tmp_path, "raise SystemExit('no such thing as a house')", attempts=1)
    with pytest.raises(DaemonFailed, match=r"part ended instead of starting[\s\S]*a house"):
        Daemons(tmp_path).start(daemon)


def test_daemon_that_never_becomes_ready_is_stopped(tmp_path):
    daemons = Daemons(tmp_path)
    daemon = a_daemon(tmp_path, "print('thinking', flush=True); time.sleep(60)", ready_seconds=0.5)

    def never() -> bool:
        # A busy machine may not start the interpreter within half a second.
        return not wait_for(lambda: "thinking" in daemons.log("part").read_text())

    daemon = replace(daemon, ready=never)
    with pytest.raises(DaemonFailed, match=r"did not become ready within 0.5 s[\s\S]*thinking"):
        daemons.start(daemon)
    assert daemons.running("part") is None


def test_daemon_is_not_ready_while_another_process_answers_at_its_port(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        url = f"http://127.0.0.1:{stranger.getsockname()[1]}"
        daemon = a_daemon(tmp_path, "time.sleep(60)", ready_seconds=0.5, url=url)
        with pytest.raises(DaemonFailed, match="did not become ready"):
            Daemons(tmp_path).start(replace(daemon, ready=lambda: True))


def test_daemon_is_ready_when_a_process_that_it_started_listens(tmp_path):
    port = free_port()
    server = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))
    daemon = a_daemon(
        tmp_path,
        f"import subprocess; flag.touch(); subprocess.run({server!r})",
        url=f"http://127.0.0.1:{port}",
    )
    daemons = Daemons(tmp_path)
    try:
        assert daemons.start(daemon)
        assert not daemons.start(daemon)
        assert status_of(daemon.url) == 200
    finally:
        for child in psutil.Process(daemons.running("part").pid).children():
            child.kill()
        daemons.stop("part")


def test_daemon_restarts_when_its_command_changes(tmp_path):
    daemons = Daemons(tmp_path)
    try:
        assert daemons.start(a_daemon(tmp_path, "flag.touch(); time.sleep(60)"))
        first = daemons.running("part")
        assert not daemons.start(a_daemon(tmp_path, "flag.touch(); time.sleep(60)"))
        assert daemons.running("part") == first
        assert daemons.start(a_daemon(tmp_path, "flag.touch(); time.sleep(61)"))
        assert started_at(first.pid) is None
    finally:
        daemons.stop("part")


def test_recycled_process_id_is_not_a_daemon(tmp_path):
    with subprocess.Popen(("sleep", "60")) as stranger:
        started = started_at(stranger.pid)
        assert started is not None
        (tmp_path / "run").mkdir()
        file = tmp_path / "run" / "part.json"
        file.write_text(f'{{"pid": {stranger.pid}, "started": {started - 1}}}')
        daemons = Daemons(tmp_path)
        assert daemons.running("part") is None
        daemons.stop("part")
        assert stranger.poll() is None
        stranger.kill()


def test_unrecorded_daemon_is_stopped_before_a_new_one(tmp_path):
    daemons = Daemons(tmp_path)
    daemon = a_daemon(tmp_path, "flag.touch(); time.sleep(60)")
    try:
        daemons.start(daemon)
        lost = daemons.running("part")
        assert daemons.unrecorded() == set()
        (tmp_path / "run" / "part.json").unlink()
        # So that `up` keeps its port.
        assert daemons.unrecorded() == {"part"}
        # Its port is still taken, so that of the new one differs, and so does the command.
        daemons.start(a_daemon(tmp_path, "flag.touch(); time.sleep(59)"))
        assert started_at(lost.pid) is None
    finally:
        daemons.stop("part")


def test_daemon_that_an_unrecorded_shell_starts_when_it_is_ended_is_stopped_too(tmp_path):
    late = (
        "import os, signal, subprocess, sys, time\n"
        "def start(*_):\n"
        "    late = subprocess.Popen(('sleep', '60'))\n"
        f"    open({str(tmp_path / 'late')!r}, 'w').write(str(late.pid))\n"
        "    os._exit(0)\n"
        "signal.signal(signal.SIGTERM, start)\n"
        "print('begun', flush=True)\n"
        "time.sleep(60)"
    )
    daemons = Daemons(tmp_path)
    environ = {**os.environ, "TASADOR_HOME": str(tmp_path), "TASADOR_DAEMON": "part"}
    command = (sys.executable, "-c", late)
    try:
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as shell:
            assert shell.stdout.readline() == b"begun\n"
            daemons.start(a_daemon(tmp_path, "flag.touch(); time.sleep(60)"))
        assert started_at(int((tmp_path / "late").read_text())) is None
    finally:
        daemons.stop("part")


def test_ports_and_secrets_are_kept(tmp_path):
    first = endpoints.settle(tmp_path, CORE, lambda _: False)
    assert endpoints.settle(tmp_path, CORE, lambda _: False) == first
    (tmp_path / "other").mkdir()
    other = endpoints.settle(tmp_path / "other", CORE, lambda _: False)
    assert other.gateway_token != first.gateway_token
    assert other.s3_secret_key != first.s3_secret_key
