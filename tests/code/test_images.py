"""What the functions' images hold: the environments of functions/Dockerfile, made for real.

TASADOR_IMAGE_BUILDER, where it is set, is a command that takes NAME DIR and options of docker
build; then the images themselves are built too.
"""

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.functions_kit import ROOT, function, is_ready, make_bundle, until

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
}
IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| +([\w.]+)", re.MULTILINE)


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


def imported(log):
    """The top-level names of all that the process imported, and all of ours whole."""
    names = IMPORTED.findall(log.read_text())
    assert "flask" in names
    return {name.split(".")[0] for name in names} | {n for n in names if n.startswith("tasador.")}


@pytest.mark.parametrize("name", ["predict", "explain"])
def test_a_function_answers_with_the_packages_of_its_image_alone(pythons, bundle, tmp_path, name):
    python = [str(pythons[stage_of(name)]), "-X", "importtime"]
    with function(name, tmp_path, python=python, MODEL_URI=str(bundle)) as client:
        until(lambda: is_ready(client))
        assert client.post(f"/{name}", json={"state": "Texas", "bed": 3}).status_code == 200
        if name == "predict":
            rows = {"listings": [{"bed": 3}, {}]}
            assert client.post("/batch_predict", json=rows).status_code == 200
        for path in ("/", "/metrics", "/openapi.json"):
            assert client.get(path).status_code == 200
        client.process.send_signal(signal.SIGTERM)
        assert client.process.wait(20) == 0
        assert imported(client.log) & NOT_FOR_ANSWERS == set()


@pytest.mark.parametrize("name", ["record", "reload"])
def test_a_function_of_the_stores_starts_with_the_packages_of_its_image(pythons, tmp_path, name):
    python = [str(pythons[stage_of(name)]), "-X", "importtime"]
    with function(name, tmp_path, python=python) as client:
        until(lambda: "TASADOR_DATABASE_URL" in client.get("/ready").text)
        assert client.get("/").status_code == 200
        assert imported(client.log) & HEAVY == set()


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
    subprocess.run([*command, f"tasador-{name}:test", ".", *options], check=True, cwd=ROOT)
