"""What a process inherits from the user's environment: on a laptop a list, on a cluster all."""

import getpass
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasador.errors import ConfigurationError
from tasador.flowkit import by_process, person
from tasador.local.gateway.options import function_environ
from tasador.local.gateway.services import Revision
from tasador.machine import environment
from tasador.machine.environment import for_child, named, whoami
from tasador.settings import CHECKOUT, Settings, git_sha
from tasador.source.client import SourceClient
from tests.kit.hostile import VARIABLES, hostile

HOME = Path("/srv/tasador home")
# Of the hostile variables, those that concern the machine and are not harmful to a child.
PASSED_ON = {
    *("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"),
    *("OMP_NUM_THREADS", "TZ", "SSL_CERT_FILE"),
}


def test_child_gets_no_variable_of_another_tool():
    made = for_child(HOME, VARIABLES)
    assert {name for name, value in VARIABLES.items() if made.get(name) == value} == PASSED_ON
    assert made["PGSSLMODE"] == "disable"
    assert made["METAFLOW_DATASTORE_SYSROOT_LOCAL"] == str(HOME)
    assert for_child(HOME, VARIABLES, PGSSLMODE="allow")["PGSSLMODE"] == "allow"


def test_child_reads_no_env_file(tmp_path):
    (tmp_path / ".env").write_text("AWS_PROFILE=work")
    program = tmp_path / "package.py"
    program.write_text(
        "import os\nfrom dotenv import load_dotenv\n"
        "load_dotenv()\nprint(os.environ.get('AWS_PROFILE'))"
    )
    done = subprocess.run(
        [sys.executable, program],
        env=for_child(HOME, os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "None\n"


@given(
    st.sampled_from(
        ("AWS_", "PG", "METAFLOW_", "MLFLOW_", "PYTHON", "RCLONE_", "REFLEX_", "UVICORN_", "GIT_",
         "OPTUNA_", "OTEL_", "DATABRICKS_", "BOTO_", "SQLALCHEMY_", "FLASK_", "NODE_", "KUBE", "")
    ),
    st.text(st.characters(categories=("Lu", "Nd"), include_characters="_"), min_size=1),
)  # fmt: skip
def test_a_variable_that_is_not_listed_never_reaches_a_child(prefix, rest):
    name = prefix + rest
    mine = f"a value of {name}"
    listed = environment._matches(name, environment._INHERITED) or name in environment._TEMPORARY
    assert (mine in for_child(HOME, {name: mine}).values()) <= listed
    assert not environment._matches(f"{prefix or 'OTHER_'}X", environment._INHERITED)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ({}, "127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "corp, .lan"}, "corp,.lan,127.0.0.1,localhost,::1"),
        ({"no_proxy": "localhost", "NO_PROXY": "x"}, "localhost,127.0.0.1,::1"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_no_proxy_always_covers_this_machine(listed, expected):
    made = for_child(HOME, listed)
    assert made["NO_PROXY"] == made["no_proxy"] == expected


def test_pythonpath_and_temporary_folder_of_a_child(tmp_path):
    made = for_child(HOME, {"PYTHONPATH": f"/theirs{os.pathsep}{CHECKOUT}", "TMPDIR": "/nowhere"})
    assert made["PYTHONPATH"] == str(CHECKOUT)
    assert "TMPDIR" not in made
    assert for_child(HOME, {"TMPDIR": str(tmp_path)})["TMPDIR"] == str(tmp_path)


def test_function_gets_its_settings_and_nothing_of_the_user(monkeypatch):
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    settings = Settings(home=HOME, database_url="postgresql://secret", broker_url="http://b")
    revision = Revision(
        service="predict", name="predict-00001", env={"MODEL_URI": "s3://m/1"}, created=""
    )
    made = function_environ(revision, settings, 8123, 8124)
    assert made["MODEL_URI"] == "s3://m/1"
    assert "TASADOR_DATABASE_URL" not in made
    assert {name for name, value in VARIABLES.items() if made.get(name) == value} == PASSED_ON


def test_named_lists_what_may_be_the_cause(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("PG", "AWS_")):
            monkeypatch.delenv(name)
    assert named("PG", "AWS_") == ""
    monkeypatch.setenv("PGSERVICE", "x")
    monkeypatch.setenv("AWS_PROFILE", "y")
    assert named("PG", "AWS_") == "; the environment sets AWS_PROFILE, PGSERVICE"
    assert named("HTTP_PROXY", "PG") == "; the environment sets PGSERVICE"


def test_who_started_a_run_has_the_name_that_commands_have(monkeypatch):
    assert person("ana") == "ana"
    # Metaflow's stand-in for root.
    assert person("tasador") == whoami() != "tasador"
    monkeypatch.setattr(getpass, "getuser", lambda: {}["no such user"])  # in a pod
    assert person("tasador") == "tasador"


def test_tasks_are_threads_on_one_machine_and_pods_on_a_cluster(monkeypatch):
    monkeypatch.delenv("METAFLOW_RUNTIME_ENVIRONMENT", raising=False)
    assert by_process(3) == [(0, 1, 2)]
    # Metaflow sets it in a pod.
    monkeypatch.setenv("METAFLOW_RUNTIME_ENVIRONMENT", "kubernetes")
    assert by_process(3) == [(0,), (1,), (2,)]
    assert by_process(1) == [(0,)]


def test_source_client_names_the_variable_that_stops_it(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/cert.pem")
    client = SourceClient("https://source.invalid", 5, "Tuesday")
    with pytest.raises(ConfigurationError, match=r"source\.invalid can be created.*SSL_CERT_FILE"):
        client.fetch(tmp_path / "batch")
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("ALL_PROXY", "socks9://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match="ALL_PROXY"):
        client.fetch(tmp_path / "batch")


SCRIPT = """
import json, os, sys
from tasador.machine.environment import enter
enter(sys.argv)
print(json.dumps([dict(os.environ), sys.flags.utf8_mode, sys.warnoptions, sys.flags.optimize]))
"""


def entered(tmp_path, environ):
    import json

    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)], env=environ, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_own_process_starts_again_without_variables_that_changed_python(tmp_path):
    environ = hostile(tmp_path, {"PATH": os.environ["PATH"], "TASADOR_HOME": str(tmp_path)})
    inside, utf8, warnings, optimize = entered(tmp_path, environ)
    assert (utf8, warnings, optimize) == (1, [], 0)
    assert not {"AWS_PROFILE", "PGSERVICE", "METAFLOW_PROFILE", "GIT_DIR"} & set(inside)
    assert inside["NO_COLOR"] == "1"
    # Neither this process nor a later one fails at a character that the terminal lacks.
    assert inside["PYTHONIOENCODING"] == "ascii:replace"
    # There is no platform yet, so Metaflow must not create its folder in the home.
    assert "METAFLOW_DATASTORE_SYSROOT_LOCAL" not in inside


def test_cluster_environment_is_the_configuration(tmp_path):
    environ = hostile(tmp_path, {"PATH": os.environ["PATH"], "TASADOR_PLATFORM": "cluster"})
    del environ["PYTHONPATH"], environ["PYTHONWARNINGS"]
    inside, *_ = entered(tmp_path, environ)
    assert {name: inside.get(name) for name in environ} == environ


def test_commit_is_that_of_this_checkout_inside_a_git_hook(monkeypatch, tmp_path):
    expected = git_sha({})
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    assert git_sha({}) == expected
