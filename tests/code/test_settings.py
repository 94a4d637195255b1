"""Settings: the environment, endpoints.env, defaults, and the commit of the code."""

import os

import pytest

from tasador import settings as settings_module
from tasador.errors import ConfigurationError
from tasador.settings import Settings, find_home, git_sha

FLOWS = ("ingest", "drift", "train", "monitor")


def test_environment_overrides_endpoints_file(tmp_path):
    (tmp_path / "endpoints.env").write_text(
        "# made by hand\nTASADOR_MLFLOW_URL=http://file\nTASADOR_BROKER_URL=http://b/?a=b\n"
    )
    settings = Settings.load({"TASADOR_HOME": str(tmp_path), "TASADOR_MLFLOW_URL": "http://env"})
    assert settings.home == tmp_path
    assert settings.mlflow_url == "http://env"
    assert settings.broker_url == "http://b/?a=b"
    assert Settings.load(settings.as_environ()) == settings


def test_mounted_secret_wins_and_is_read_again(tmp_path):
    mounted = tmp_path / "secrets"
    mounted.mkdir()
    environ = {
        "TASADOR_HOME": str(tmp_path),
        "TASADOR_SETTINGS": str(mounted),
        "TASADOR_S3_SECRET_KEY": "from the start",
        "TASADOR_S3_ACCESS_KEY": "only here",
    }
    # A mounted Secret has links of the kubelet next to its keys, and maybe keys of others.
    (mounted / "..data").mkdir()
    (mounted / "AWS_SECRET_ACCESS_KEY").write_text("unused")
    for value in ("first", "rotated"):
        (mounted / "TASADOR_S3_SECRET_KEY").write_text(f"{value}\n")
        settings = Settings.load(environ)
        assert (settings.s3_secret_key, settings.s3_access_key) == (value, "only here")
    with pytest.raises(ConfigurationError, match=r"TASADOR_SETTINGS is '.*gone'"):
        Settings.load({**environ, "TASADOR_SETTINGS": str(tmp_path / "gone")})


def test_secrets_are_not_printed(tmp_path):
    secrets = [name for name in Settings._fields if "key" in name or name.endswith("_token")]
    settings = Settings(tmp_path, database_url="hunter2")._replace(
        **dict.fromkeys(secrets, "hunter2")
    )
    for printed in (repr(settings), str(settings), f"{settings}", f"{[settings]}"):
        assert "hunter2" not in printed
        assert str(tmp_path) in printed


def test_no_secret_has_a_default():
    for name, default in Settings._field_defaults.items():
        if any(word in name for word in ("key", "token", "url", "endpoint")):
            assert default == "", name


@pytest.mark.parametrize(("platform", "hint"), [("embedded", "tasador up"), ("cluster", "Secret")])
def test_require_names_the_missing_variable_with_a_hint(tmp_path, platform, hint):
    settings = Settings.load({"TASADOR_HOME": str(tmp_path), "TASADOR_PLATFORM": platform})
    with pytest.raises(ConfigurationError, match=f"TASADOR_DATABASE_URL not set: .*{hint}"):
        settings.require("home", "database_url")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TASADOR_SOURCE_GROUP", "five"),
        ("TASADOR_PLATFORM", "moon"),
        ("TASADOR_WEB_READING", "nobody"),
        *(("TASADOR_MONITOR_DAYS", text) for text in ("-1", "1_0", "٣", "nan", "", "999999999")),
    ],
)
def test_invalid_value_names_its_variable(tmp_path, variable, value):
    with pytest.raises(ConfigurationError, match=f"{variable} is '{value}'"):
        Settings.load({"TASADOR_HOME": str(tmp_path), variable: value})


ADDRESSES = [
    f"TASADOR_{name}"
    for name in ("S3_ENDPOINT", "MLFLOW_URL", "BROKER_URL", "FUNCTIONS_URL", "SOURCE_URL")
]


@pytest.mark.parametrize("variable", ["TASADOR_DATABASE_URL", *ADDRESSES])
@pytest.mark.parametrize(
    "value",
    [
        *("junk", "127.0.0.1:80", "http//x", "ftp://secret@x/", "mysql://u:secret@x/y", "s3://x"),
        *("{}://secret@[::1", "{}://x:99999", "{}://x:secret", " {}://x", "{}://x\n"),
    ],
)
def test_address_that_is_none_is_named_without_its_password(tmp_path, variable, value):
    scheme = "postgresql" if "DATABASE" in variable else "http"
    with pytest.raises(
        ConfigurationError, match=f"^{variable} is not of the form {scheme}://"
    ) as e:
        Settings.load({"TASADOR_HOME": str(tmp_path), variable: value.format(scheme)})
    assert "secret@" not in str(e.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TASADOR_DATABASE_URL", "postgres://u@h/n"),
        ("TASADOR_DATABASE_URL", "postgresql+psycopg2://u:p%40@h:5432/n?sslmode=require"),
        ("TASADOR_DATABASE_URL", "postgresql:///n?host=/run/postgresql"),
        *((name, "") for name in ADDRESSES),
        *((name, "https://x.example") for name in ADDRESSES),
        *((name, "http://[::1]:8080/path/") for name in ADDRESSES),
    ],
)
def test_addresses_that_are_accepted(tmp_path, variable, value):
    settings = Settings.load({"TASADOR_HOME": str(tmp_path), variable: value})
    assert getattr(settings, variable.removeprefix("TASADOR_").lower()) == value


def test_every_address_of_a_service_is_checked():
    pages = {"web_url", "metaflow_ui_url", *(f"cards_{flow}_url" for flow in FLOWS)}
    names = {name for name in Settings._fields if name.endswith(("_url", "_endpoint"))}
    assert names | {"oidc_issuer"} == set(settings_module._SCHEMES) | pages


def test_home_is_found_from_a_subfolder(tmp_path, monkeypatch):
    (tmp_path / ".tasador").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert Settings.load({}).home == tmp_path / ".tasador"


def test_deleted_current_folder_is_named(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for environ in ({}, {"TASADOR_HOME": "relative"}):
        with pytest.raises(ConfigurationError, match="current folder was deleted"):
            find_home(environ)


def test_git_sha_of_an_image_comes_from_its_environment():
    assert git_sha({"GIT_SHA": "0123abc"}) == "0123abc"


def test_git_sha_of_a_checkout_comes_from_git(monkeypatch, tmp_path):
    git = tmp_path / "git"
    git.write_text("#!/bin/sh\n[ $1 = -C ] && [ -f $2/settings.py ] && echo 4567def\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert git_sha({}) == "4567def"


def test_git_sha_without_git_is_empty(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_sha({}) == ""


def test_session_needs_an_hour(tmp_path):
    with pytest.raises(ConfigurationError, match="TASADOR_WEB_SESSION_HOURS is 0"):
        Settings.load({"TASADOR_HOME": str(tmp_path), "TASADOR_WEB_SESSION_HOURS": "0"})


def test_a_dossier_leaves_out_a_share_of_the_states_or_none(tmp_path):
    environ = {"TASADOR_HOME": str(tmp_path)}
    assert Settings.load(environ).dossier_rotations == 4
    assert Settings.load({**environ, "TASADOR_DOSSIER_ROTATIONS": "0"}).dossier_rotations == 0
    with pytest.raises(ConfigurationError, match=r"TASADOR_DOSSIER_ROTATIONS is 1, .* every state"):
        Settings.load({**environ, "TASADOR_DOSSIER_ROTATIONS": "1"})
