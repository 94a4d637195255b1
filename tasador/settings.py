"""One frozen settings object: where everything is and how to get in.

Values come from the environment (``TASADOR_<FIELD>``), else from ``endpoints.env`` in the home
folder, which ``tasador up`` writes with freshly made secrets for the embedded platform. There are
no default passwords to forget: a cluster gives every value by environment and Secrets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from tasador.errors import ConfigurationError

ENDPOINTS_FILE = "endpoints.env"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """Endpoints, credentials and names; empty means not set (``require`` asks for the needed)."""

    home: Path
    platform: str = "embedded"  # or "cluster"
    database_url: str = ""  # postgresql://user:password@host:port/name
    s3_endpoint: str = ""
    s3_access_key: str = ""
    s3_secret_key: str = ""
    s3_region: str = "us-east-1"
    bucket_raw: str = "data-raw"
    bucket_clean: str = "data-clean"
    bucket_mlflow: str = "mlflow-artifacts"
    bucket_metaflow: str = "metaflow"
    mlflow_url: str = ""
    broker_url: str = ""  # POST CloudEvents here
    argo_events_url: str = ""  # on a cluster: the webhook event source that the flows wait at
    functions_url: str = ""  # the HTTP surface of all functions under one address
    gateway_admin_url: str = ""  # the local gateway's control address; empty on a cluster
    gateway_token: str = ""
    web_url: str = ""
    cards_ingest_url: str = ""  # each flow's cards, by Metaflow's card server
    cards_drift_url: str = ""
    cards_train_url: str = ""
    cards_monitor_url: str = ""
    source_url: str = ""
    source_group: int = 5
    source_day: str = "Tuesday"
    model_name: str = "tasador-price"
    canary: str = ""  # shares of the traffic on the way to all of it: PERCENT:SECONDS,...
    monitor_days: int = 30  # how far back a look at the requests goes at the most
    monitor_quiet_hours: int = 24  # after asking for training, monitoring does not ask again

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; raises ConfigurationError for a value that cannot be one."""
        environ = os.environ if environ is None else environ
        home = find_home(environ)
        stored = read_env_file(home / ENDPOINTS_FILE)
        given: dict[str, object] = {"home": home}
        for field in fields(cls):
            variable = f"TASADOR_{field.name.upper()}"
            value = environ.get(variable, stored.get(variable))
            if field.name == "home" or value is None:
                continue
            if field.type == "int":
                try:
                    given[field.name] = int(value)
                except ValueError:
                    raise ConfigurationError(
                        f"{variable} is {value!r}, not a whole number"
                    ) from None
            else:
                given[field.name] = value
        settings = cls(**given)  # type: ignore[arg-type]
        if settings.platform not in ("embedded", "cluster"):
            raise ConfigurationError(
                f"TASADOR_PLATFORM is {settings.platform!r}; it is either embedded or cluster"
            )
        return settings

    def require(self, *names: str) -> Settings:
        """Return self when each named field is set; else name the variable and say what to do."""
        missing = [f"TASADOR_{name.upper()}" for name in names if not getattr(self, name)]
        if missing:
            hint = (
                "run `tasador up` first, or set it"
                if self.platform == "embedded"
                else "set it, e.g. from a Secret"
            )
            raise ConfigurationError(f"{', '.join(missing)} not set: {hint}")
        return self

    def as_environ(self) -> dict[str, str]:
        """The settings as environment variables, to hand to a child process."""
        return {f"TASADOR_{f.name.upper()}": str(getattr(self, f.name)) for f in fields(self)}


def git_sha(environ: Mapping[str, str] | None = None) -> str:
    """The commit of the running code; empty where neither the image nor git knows it.

    An image states it in GIT_SHA; a checkout asks git.
    """
    import subprocess  # a function's start must not pay for it

    environ = os.environ if environ is None else environ
    if sha := environ.get("GIT_SHA"):
        return sha
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return result.stdout.strip()


def find_home(environ: Mapping[str, str]) -> Path:
    """TASADOR_HOME, else the nearest ``.tasador`` folder from here upwards, else ``./.tasador``."""
    if given := environ.get("TASADOR_HOME"):
        return Path(given).expanduser().resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".tasador").is_dir():
            return folder / ".tasador"
    return here / ".tasador"


def read_env_file(path: Path) -> dict[str, str]:
    """Read KEY=value lines; an absent file is empty."""
    if not path.is_file():
        return {}
    lines = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {key.strip(): value for key, _, value in lines if not key.startswith("#")}
