"""What the functions' images hold: the environments of functions/Dockerfile, made for real.

TASADOR_IMAGE_BUILDER, where it is set, is a command that takes NAME DIR and options of docker
build; then the images themselves are built too, and with TASADOR_DOCKER (a docker command) run.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.kit.checkout import ROOT
from tests.kit.functions import function, is_ready
from tests.kit.models import make_bundle
from tests.kit.network import free_port
from tests.kit.waiting import wait_for

DOCKERFILE = (ROOT / "functions" / "Dockerfile").read_text()
NAMES = ("predict", "explain", "record", "reload")
# Of the packages alone, in MB; the base image and a megabyte of code come on top.
LIMITS = {"model-packages": 115, "store-packages": 115}
HEAVY = {"pandas", "sklearn", "scipy", "mlflow", "shap", "boto3", "botocore", "optuna", "nannyml"}
NOT_FOR_ANSWERS = HEAVY | {
    "xgboost",
    "httpx",
    "sqlalchemy",
    "psycopg2",
    "alembic",
    "multiprocessing",
    "numpy.random",
}
# Of no use to a prediction that nobody wants recorded.
FOR_OTHERS = NOT_FOR_ANSWERS | {
    "flask",
    "prometheus_client",
    "ssl",
    "email",
    "tasador.engine.tree_shap",
    "tasador.records.loop",
}
BUILT = os.environ.get("TASADOR_IMAGE_PREFIX", "") + "tasador-"
# Python runs it first; at its end the process says what it has imported, and before it imports the
# fast engine what it has imported by then. (-X importtime is no help: where two threads import at
# one time its figures are less than nothing and its lines no pattern.)
SAYS_WHAT_IT_IMPORTED = """
import atexit, os, sys
from pathlib import Path
said = Path(os.environ["TASADOR_TEST_IMPORTED"])
atexit.register(lambda: said.write_text(" ".join(sys.modules)))

class Watch:
    @staticmethod
    def find_spec(name, *_):
        if name == "tasador.engine.fast_engine":
            part = said.with_name("part")
            part.write_text(" ".join(sys.modules))
            part.rename(said.with_name("imported-before-the-fast-engine"))

sys.meta_path.insert(0, Watch)
"""


def stage_of(name):
    """The stage that the target ``name`` takes its packages from."""
    target = DOCKERFILE.split(f"FROM base AS {name}\n")[1].split("\nFROM ")[0]
    return re.search(r"COPY --from=(\S+) /opt/venv", target)[1]


def packages(stage, folder):
    """Make the environment of a stage by the Dockerfile's own options; its Python."""
    block = DOCKERFILE.split(f"FROM build AS {stage}\n")[1].split("\nFROM ")[0]
    options = re.search(r"uv sync (.*?)--python", block.replace("\\\n", ""))[1].split()
    subprocess.run(
        ["uv", "sync", "--quiet", *options],
        check=True,
        cwd=ROOT,
        env={
            **{k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"},
            "UV_PROJECT_ENVIRONMENT": str(folder),
        },
    )
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def pythons(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    return {stage: packages(stage, folder / stage) for stage in LIMITS}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "bundle"
    make_bundle(folder, rows=400)
    return folder


def modules(said):
    """What a process has imported: top-level names of packages, full names of this project's."""
    names = said.read_text().split()
    assert "waitress" in names
    return {n if n.startswith("tasador.") else n.split(".")[0] for n in names}


@contextmanager
def watched(name, python, home, **env):
    """A process of the function ``name``; the client, and a function that ends the process.

    That function returns what the process has imported.
    """
    said, folder = home / "imported", home / "first"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SAYS_WHAT_IT_IMPORTED)
    more = {"PYTHONPATH": str(folder), "TASADOR_TEST_IMPORTED": str(said), **env}
    with function(name, home, python=[str(python)], **more) as client:

        def imported():
            client.process.send_signal(signal.SIGTERM)
            assert client.process.wait(20) == 0
            return modules(said)

        yield client, imported


@pytest.mark.parametrize("name", ["predict", "explain"])
def test_a_function_answers_with_the_packages_of_its_image_alone(pythons, bundle, tmp_path, name):
    python = pythons[stage_of(name)]
    with watched(name, python, tmp_path, MODEL_URI=str(bundle)) as (client, imported):
        wait_for(lambda: is_ready(client))
        assert client.post(f"/{name}", json={"state": "Texas", "bed": 3}).status_code == 200
        if name == "predict":
            rows = {"listings": [{"bed": 3}, {}]}
            assert client.post("/batch_predict", json=rows).status_code == 200
        for path in ("/", "/openapi.json"):
            assert client.get(path).status_code == 200
        assert imported() & NOT_FOR_ANSWERS == set()


def test_a_first_prediction_waits_for_nothing_that_it_does_not_need(pythons, bundle, tmp_path):
    """What others need (the Flask app, /metrics, a remote store) is imported later, or never.

    The fast engine is imported when the model already answers.
    """
    env = {"MODEL_URI": str(bundle), "TASADOR_RECORDING": "off"}
    before = tmp_path / "imported-before-the-fast-engine"
    with watched("predict", pythons[stage_of("predict")], tmp_path, **env) as (client, _):
        wait_for(lambda: is_ready(client))
        assert client.post("/predict", json={"state": "Texas", "bed": 3}).status_code == 200
        wait_for(before.exists)
    assert modules(before) & FOR_OTHERS == set()


@pytest.mark.parametrize("name", ["record", "reload"])
def test_a_function_of_the_stores_starts_with_the_packages_of_its_image(pythons, tmp_path, name):
    with watched(name, pythons[stage_of(name)], tmp_path) as (client, imported):
        wait_for(lambda: "TASADOR_DATABASE_URL" in client.get("/ready").text)
        assert client.get("/").status_code == 200
        assert imported() & HEAVY == set()


@pytest.mark.parametrize("stage", LIMITS)
def test_the_packages_stay_small(pythons, stage):
    site = next((pythons[stage].parents[1] / "lib").glob("python3*/site-packages"))
    left_out = {"__pycache__", "tests"}
    files = [p for p in site.rglob("*") if p.is_file() and not left_out & set(p.parts)]
    size = sum(p.stat().st_size for p in files) / 1e6
    assert size < LIMITS[stage], f"{size:.0f} MB"


def test_every_function_has_its_target_and_runs_as_nobody_of_importance():
    for name in NAMES:
        target = DOCKERFILE.split(f"FROM base AS {name}\n")[1].split("\nFROM ")[0]
        assert f'CMD ["python", "-m", "functions.host", "functions/{name}"]' in target
        assert "USER 10001" in target
        assert "org.opencontainers.image.revision=$GIT_SHA" in target
    # What old builders do not know.
    assert "<<" not in DOCKERFILE
    assert "--link" not in DOCKERFILE
    assert "syntax=" not in DOCKERFILE


@pytest.mark.skipif(
    "TASADOR_IMAGE_BUILDER" not in os.environ,
    reason="TASADOR_IMAGE_BUILDER names no command that builds images (NAME DIR OPTIONS)",
)
@pytest.mark.parametrize("name", NAMES)
def test_the_images_are_built(name):
    command = shlex.split(os.environ["TASADOR_IMAGE_BUILDER"])
    file = Path("functions") / "Dockerfile"
    options = ["-f", file, "--target", name, "--build-arg", "GIT_SHA=0123456789abcdef"]
    subprocess.run([*command, f"{BUILT}{name}:test", ".", *options], check=True, cwd=ROOT)


@pytest.mark.skipif("TASADOR_DOCKER" not in os.environ, reason="TASADOR_DOCKER: no docker command")
@pytest.mark.parametrize("name", NAMES)
def test_an_image_serves_without_rights_and_with_everything_compiled(bundle, name):
    """After test_the_images_are_built: no root, a read-only root file system, no capability."""
    docker = shlex.split(os.environ["TASADOR_DOCKER"])
    port = free_port()
    # Another account must be able to read it.
    with tempfile.TemporaryDirectory(prefix="tasador-test-") as folder:
        shutil.copytree(bundle, Path(folder) / "bundle")
        Path(folder).chmod(0o755)
        options = ["--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
        options += ["--network", "host", "-v", f"{folder}/bundle:/bundle:ro"]
        environ = {"HOST": "127.0.0.1", "PORT": str(port), "MODEL_URI": "/bundle"}
        options += [part for key, value in environ.items() for part in ("-e", f"{key}={value}")]
        container = f"tasador-test-{name}-{port}"
        process = subprocess.Popen(
            [*docker, "run", "--name", container, *options, f"{BUILT}{name}:test"]
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                wait_for(lambda: client.get("/health").status_code == 200, 60)
                if name in ("predict", "explain"):
                    wait_for(lambda: is_ready(client))
                    assert client.post(f"/{name}", json={"bed": 3}).status_code == 200
                else:
                    wait_for(lambda: "TASADOR_DATABASE_URL" in client.get("/ready").text)
            script = [*docker, "exec", container, "python", "-c", UNCOMPILED]
            said = subprocess.run(script, check=True, capture_output=True, text=True)
            assert said.stdout.split() == ["10001", "0123456789abcdef"]
        finally:
            subprocess.run([*docker, "stop", container], check=False, capture_output=True)
            process.wait(60)
        assert process.returncode == 0


# Says who it is and of which commit; then each loaded module without bytecode.
UNCOMPILED = """
import importlib, os, sys
from importlib.util import cache_from_source
print(os.getuid(), os.environ["GIT_SHA"])
import functions.host
for module in ("functions.openapi", "functions.flask_app", "flask"):
    importlib.import_module(module)
for module in list(sys.modules.values()):
    path = getattr(module, "__file__", None) or ""
    if path.endswith(".py") and not os.path.exists(cache_from_source(path)):
        print(path)
"""
