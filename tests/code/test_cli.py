"""The command line without a platform: start-up imports, train, score, and error messages."""

import csv
import errno
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tasador.cli import main
from tasador.listings.listing import COLUMNS
from tasador.source.simulator import generate


@pytest.fixture
def tasador(tmp_path):
    def run(*arguments, code=0, home=str(tmp_path / "home")):
        done = subprocess.run(
            [sys.executable, "-m", "tasador", *map(str, arguments)],
            cwd=tmp_path,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("TASADOR_")},
                "TASADOR_HOME": home,
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_train_and_score_without_platform(tasador, tmp_path):
    listings = write_csv(tmp_path / "listings.csv", generate(5, "steady", 0, 800))
    out = tmp_path / "bundle"
    manifest = json.loads(
        tasador("train", "--csv", listings, "--out", out, "--trials", 1, "--seed", 3, "--json")
    )
    assert manifest["digest"] == json.loads((out / "manifest.json").read_text())["digest"]
    rows = [{"state": "Texas", "price": ""}, {"house_size": "big"}, {"bed": "3"}]
    tasador(
        "score", "--bundle", out, "--csv", write_csv(tmp_path / "unpriced.csv", rows),
        "--out", tmp_path / "priced.csv",
    )  # fmt: skip
    with (tmp_path / "priced.csv").open() as file:
        priced = list(csv.DictReader(file))
    assert len(priced) == len(rows)
    for row in priced:
        bounds = [float(row[name]) for name in ("lo95", "lo90", "lo80", "price")]
        bounds += [float(row[name]) for name in ("hi80", "hi90", "hi95")]
        assert bounds == sorted(bounds)
    assert "house_size" in priced[1]["missing"]
    assert "state" not in priced[0]["missing"].replace("zip", "").split()
    summary = tasador(
        "score", "--bundle", out, "--csv", tmp_path / "unpriced.csv", "--key", "city",
        "--out", tmp_path / "priced.csv",
    )  # fmt: skip
    assert summary.splitlines()[-4:] == [
        f"3 rows priced into {tmp_path / 'priced.csv'}",
        "1 of 3 rows have problems (house_size 1), the first in line 3: house_size is not a number "
        "('big'); a refused value counts as missing",
        "columns not used: price",
        "columns missing: none",
    ]
    refused = tasador(
        "score", "--bundle", out, "--csv", tmp_path / "unpriced.csv", "--strict",
        "--out", tmp_path / "strict.csv", code=1,
    )  # fmt: skip
    assert "1 of 3 rows have problems" in refused
    assert "nothing was written" in refused
    assert not (tmp_path / "strict.csv").exists()


COMPLETION = {
    "_TASADOR_COMPLETE": "complete_bash",
    "COMP_WORDS": "tasador mo",
    "COMP_CWORD": "1",
}
SLOW_IMPORTS = {
    *("alembic", "boto3", "httpx", "metaflow", "mlflow", "numpy", "pandas", "psycopg2", "pyarrow"),
    *("pydantic", "pyiceberg", "rich", "sklearn", "sqlalchemy", "starlette", "xgboost"),
    *("tasador.drift", "tasador.operations.pipeline", "tasador.training", "tasador.warehouse"),
}


@pytest.mark.parametrize(
    ("arguments", "environ", "output"),
    [
        (["--help"], {}, "dead-letters"),
        (["monitor", "--help"], {}, "--every-minutes"),
        (["--version"], {}, f"tasador {version('tasador')}"),
        (["status"], {}, "postgres"),
        ([], COMPLETION, "monitor\nmodels"),
    ],
    ids=["help", "command-help", "version", "status", "completion"],
)
def test_fast_commands_import_nothing_slow(tmp_path, arguments, environ, output):
    script = "import sys; sys.argv[0] = 'tasador'; from tasador.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", script, *arguments],
        env={**os.environ, "TASADOR_HOME": str(tmp_path), **environ},
        capture_output=True,
        text=True,
    )
    # Nothing runs in the empty home.
    assert done.returncode == (arguments == ["status"]), done.stderr
    assert output in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "tasador.cli.app" in imported
    assert not {name for name in imported if name.startswith(tuple(f"{s}." for s in SLOW_IMPORTS))}
    assert not imported & SLOW_IMPORTS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--csv", "absent.csv", "--out", "b"), "absent.csv cannot be read"),
        (("score", "--bundle", "b", "--csv", "a.csv", "--out", "p"), "b is not a model bundle"),
        (("source", "serve"), "give either --csv FILE or --simulate SEED"),
        (("source", "serve", "--simulate", "1", "--scenario", "x"), "there is no scenario 'x'"),
        (("serve", "guess"), "there is no function 'guess'"),
        (("serve", "predict", "--bundle", "b"), "b has no manifest.json"),
        (("models",), "TASADOR_DATABASE_URL, TASADOR_MLFLOW_URL not set: run `tasador up` first"),
        (("lineage", "1"), "TASADOR_DATABASE_URL not set"),
        (("pipeline",), "TASADOR_SOURCE_URL"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_input_is_one_line_without_traceback(tasador, arguments, message):
    stderr = tasador(*arguments, code=1)
    assert message in stderr
    assert len(stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("home", "message"),
    [
        ("{tmp}/a file", "cannot be used (File exists"),
        ("/proc/nothing/here", "set TASADOR_HOME to a folder of yours"),
        ("~nobody-of-this-name/x", "TASADOR_HOME is '~nobody-of-this-name/x'"),
    ],
)
def test_home_that_cannot_be_used_is_one_line(tasador, tmp_path, home, message):
    (tmp_path / "a file").touch()
    stderr = tasador("up", "--no-web", code=1, home=home.format(tmp=tmp_path))
    assert message in stderr
    assert len(stderr.splitlines()) == 1


def test_output_to_a_full_disk_is_one_line(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tasador", "status"],
            env={**os.environ, "TASADOR_HOME": str(tmp_path)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


# test_disk.py has those of a full disk.
@pytest.mark.parametrize("number", sorted(main._OF_THE_MACHINE - {errno.ENOSPC, errno.EDQUOT}))
def test_state_of_the_machine_is_one_line_that_names_the_file(monkeypatch, capsys, number):
    def fails():
        raise OSError(number, os.strerror(number), "/some/file")

    monkeypatch.setattr(main, "_run", fails)
    monkeypatch.setattr(main, "_end_in_order", lambda: None)
    monkeypatch.setattr(main.environment, "enter", lambda _: None)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with pytest.raises(SystemExit, match="1"):
        main.main()
    assert capsys.readouterr().err == f"error: {os.strerror(number)}: /some/file\n"


def test_any_other_error_keeps_its_traceback(monkeypatch):
    def fails():
        raise ConnectionResetError(errno.ECONNRESET, "reset")

    monkeypatch.setattr(main, "_run", fails)
    monkeypatch.setattr(main, "_end_in_order", lambda: None)
    monkeypatch.setattr(main.environment, "enter", lambda _: None)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with pytest.raises(ConnectionResetError):
        main.main()


def test_doctor_without_platform_recommends_up(tasador):
    with pytest.raises(AssertionError, match="run `tasador up`"):
        tasador("doctor")


def test_demo_refuses_home_with_another_platform(tasador, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "endpoints.env").write_text("TASADOR_MLFLOW_URL=http://mine\n")
    stderr = tasador("demo", "--once", code=1)
    assert "holds a platform that is not the demo's" in stderr
    assert (tmp_path / "home" / "endpoints.env").exists()
