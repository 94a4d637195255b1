"""The settings: addresses, credentials and names, in one frozen object.

Values come from the files in the folder TASADOR_SETTINGS, else from the environment
(``TASADOR_<FIELD>``), else from ``endpoints.env`` in the home folder. `tasador up` writes that file
with new secrets for the embedded platform. A cluster sets every value by environment and Secrets.
A process whose environment was set at its start learns a rotated secret from a file: the folder
TASADOR_SETTINGS is a mounted Secret, with a file for each key. No secret has a default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tasador.errors import ConfigurationError

ENDPOINTS_FILE = "endpoints.env"
MOST_REVIEWS = 1_000  # predictions of a week that are drawn for reviewers
# The folder that holds tasador/, flows/, functions/ and web/.
CHECKOUT = Path(__file__).resolve().parents[1]


# Other settings count days, hours or predictions.
_MOST = {"training_rows": 999_999_999, "search_tasks": 99}
FEWEST_TRAINING_ROWS = 1_000
_HTTP = ("http", "https")
# The settings that are addresses of services, and their schemes.
_SCHEMES = {
    "database_url": ("postgresql", "postgres"),
    **dict.fromkeys(
        (
            *("s3_endpoint", "mlflow_url", "metaflow_service_url", "broker_url", "functions_url"),
            *("argo_events_url", "gateway_admin_url", "source_url", "oidc_issuer"),
        ),
        _HTTP,
    ),
}


class Settings(NamedTuple):
    """Addresses, credentials and names; empty means not set (see ``require``).

    Every process reads them at its start, and Python makes a data class of so many fields in three
    times the time of a named tuple.
    """

    home: Path
    platform: str = "embedded"  # or "cluster"
    database_url: str = ""  # postgresql://user:password@host:port/name
    database_roles: str = ""  # PART:PASSWORD,...: the logins that the prepare job creates
    s3_endpoint: str = ""
    s3_access_key: str = ""
    s3_secret_key: str = ""
    s3_region: str = "us-east-1"
    bucket_raw: str = "data-raw"
    bucket_clean: str = "data-clean"
    bucket_mlflow: str = "mlflow-artifacts"
    bucket_metaflow: str = "metaflow"
    mlflow_url: str = ""
    mlflow_password: str = ""  # where MLflow's server has one (cluster/mlflow/password)
    mlflow_hosts: str = ""  # further names of MLflow's server for browsers: HOST[:PORT],...
    metaflow_service_url: str = ""  # Metaflow's metadata service; without it runs are local
    metaflow_ui_url: str = ""
    broker_url: str = ""  # POST CloudEvents here
    events_key: str = ""  # seals events, so that their readers know who published them
    argo_events_url: str = ""  # on a cluster: the webhook whose events start flows
    argo_events_token: str = ""  # the bearer token of that webhook
    functions_token: str = ""  # the bearer token of record's and reload's closed routes
    functions_url: str = ""  # one address for the HTTP paths of all functions
    gateway_admin_url: str = ""  # the local gateway's admin API; empty on a cluster
    gateway_token: str = ""
    web_url: str = ""
    web_reading: str = "open"  # or "login": the web app shows its pages to accounts alone
    web_session_hours: int = 12
    web_proxy_hops: int = 0  # proxies before the web app, each of which adds to X-Forwarded-For
    oidc_issuer: str = ""  # the OpenID provider at which people sign in to the web app
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    oidc_scopes: str = "openid profile email"
    oidc_name_claim: str = "preferred_username"  # the claim that names an account
    oidc_role_claim: str = "groups"  # the claim that decides about a role; a.b is b within a
    oidc_operators: str = ""  # its values that make an operator: VALUE,...
    oidc_viewers: str = ""  # those that make a viewer; empty: everybody whom the provider knows
    cards_ingest_url: str = ""  # the cards of each flow, from Metaflow's card server
    cards_drift_url: str = ""
    cards_train_url: str = ""
    cards_monitor_url: str = ""
    signing_key: str = ""  # flows sign what they promote: Ed25519, 32 bytes in base64
    signing_public_keys: str = ""  # whose bundles are loaded: the same, separated by commas
    source_url: str = ""
    source_group: int = 5
    source_day: str = "Tuesday"
    model_name: str = "tasador-price"
    canary: str = ""  # canary steps of a rollout: PERCENT:SECONDS,...
    approval: str = "automatic"  # or "required": a person approves each promotion
    ratio_limits: str = ""  # limits of the ratio study in the gate: FIGURE:LOW:HIGH,...
    churn_limit: int = 100  # per cent of the recorded requests that a promotion may move by 10 %
    dossier_rotations: int = 4  # trainings of a dossier without some of the states; 0: none
    review_sample: int = 0  # predictions of each week that the monitor flow draws for reviewers
    keep_predictions_days: int = 0  # `tasador db prune` deletes older ones; 0: none
    keep_payloads_days: int = 0  # the same for payloads of batches, and their rows as received
    keep_fetches_days: int = 0  # for answers of the source that say nothing new
    keep_dead_letters_days: int = 0
    training_rows: int = 0  # a training reads about so many rows at most, by property; 0: all
    search_tasks: int = 1  # tasks of the train flow that share the trials of a search
    score_recording: str = "off"  # or "on": the score flow records its prices as predictions
    monitor_days: int = 30  # a monitoring check goes back at most this far
    monitor_quiet_hours: int = 24  # no second training request within this time

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings as they are now; raises ConfigurationError for an invalid value."""
        environ = os.environ if environ is None else environ
        home = find_home(environ)
        stored = read_env_file(home / ENDPOINTS_FILE)
        mounted = _read_mounted(environ.get("TASADOR_SETTINGS", ""))
        values: dict[str, object] = {"home": home}
        for name, default in cls._field_defaults.items():
            variable = f"TASADOR_{name.upper()}"
            value = mounted.get(variable, environ.get(variable, stored.get(variable)))
            if value is None:
                continue
            if isinstance(default, int):
                values[name] = whole_number(variable, value, _MOST.get(name, 99_999))
            else:
                if value and name in _SCHEMES:
                    _check_address(variable, value, *_SCHEMES[name])
                values[name] = value
        settings = cls(**values)  # type: ignore[arg-type]
        if settings.platform not in ("embedded", "cluster"):
            raise ConfigurationError(
                f"TASADOR_PLATFORM is {settings.platform!r}; it must be embedded or cluster"
            )
        if settings.approval not in ("automatic", "required"):
            raise ConfigurationError(
                f"TASADOR_APPROVAL is {settings.approval!r}; it must be automatic or required"
            )
        if settings.web_reading not in ("open", "login"):
            raise ConfigurationError(
                f"TASADOR_WEB_READING is {settings.web_reading!r}; it must be open or login"
            )
        if settings.web_session_hours == 0:
            raise ConfigurationError("TASADOR_WEB_SESSION_HOURS is 0; a session needs an hour")
        if not 0 <= settings.churn_limit <= 100:
            raise ConfigurationError(
                f"TASADOR_CHURN_LIMIT is {settings.churn_limit}; it is a percentage, 0 to 100"
            )
        if settings.dossier_rotations == 1:
            raise ConfigurationError(
                "TASADOR_DOSSIER_ROTATIONS is 1, which would leave out every state: at least 2 are "
                "needed, and 0 leaves none out"
            )
        if 0 < settings.training_rows < FEWEST_TRAINING_ROWS:
            raise ConfigurationError(
                f"TASADOR_TRAINING_ROWS is {settings.training_rows}; at least "
                f"{FEWEST_TRAINING_ROWS:,} are needed, and 0 reads all"
            )
        if settings.search_tasks == 0:
            raise ConfigurationError("TASADOR_SEARCH_TASKS is 0; a search needs one task")
        if settings.review_sample > MOST_REVIEWS:
            raise ConfigurationError(
                f"TASADOR_REVIEW_SAMPLE is {settings.review_sample}; at most {MOST_REVIEWS:,} "
                "predictions of a week are drawn"
            )
        return settings

    def __repr__(self) -> str:
        return f"Settings(home={str(self.home)!r}, platform={self.platform!r}, ...)"  # no secrets

    @property
    def accepts_unsigned(self) -> bool:
        """Whether a bundle without a signature may be loaded: only on one machine."""
        return self.platform == "embedded"

    def require(self, *names: str) -> Settings:
        """Return self if every named field is set, else raise ConfigurationError with a hint."""
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
        """The settings as environment variables for a child process."""
        return {f"TASADOR_{name.upper()}": str(value) for name, value in self._asdict().items()}


def git_sha(environ: Mapping[str, str] | None = None) -> str:
    """The commit of the running code; empty where neither the image nor git knows it.

    An image states it in GIT_SHA; a checkout asks git.
    """
    import subprocess  # a function's start must not pay for it

    environ = os.environ if environ is None else environ
    if sha := environ.get("GIT_SHA"):
        return sha
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    # Inside a git hook, GIT_DIR names another repository.
    inherited = {n: value for n, value in os.environ.items() if not n.startswith("GIT_")}
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=True, env=inherited
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return result.stdout.strip()


def whole_number(variable: str, text: str, most: int = 99_999) -> int:
    """The number in a setting's text; raises ConfigurationError unless it is 0 to ``most``."""
    # int() also reads 1_000, the digits of other scripts, and what no clock can count back.
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        raise ConfigurationError(f"{variable} is {text!r}, not a whole number from 0 to {most:,}")
    return int(text)


def _check_address(variable: str, value: str, *schemes: str) -> None:
    """Raise ConfigurationError unless the value is the address of a server; it may hold a password.

    A database may be behind a socket of this machine, and its scheme may name a driver.
    """
    example = "http://host:port"
    if "postgresql" in schemes:
        example = "postgresql://user:password@host:port/name"
    try:
        parts = urlsplit(value)
        scheme, host = parts.scheme.partition("+")[0], parts.hostname
        parts.port  # noqa: B018 - raises ValueError
    except ValueError as error:
        raise ConfigurationError(f"{variable} is not of the form {example}: {error}") from None
    if scheme not in schemes or not (host or "postgresql" in schemes) or value != value.strip():
        raise ConfigurationError(f"{variable} is not of the form {example}")


def accepted(value: str) -> list[str]:
    """The tokens, keys or passwords of a setting: several, separated by commas, during a rotation.

    Each one is accepted, and the first one is sent.
    """
    return [part for each in value.split(",") if (part := each.strip())]


def sent(value: str) -> str:
    """The token, key or password of a setting that is sent, or empty; see ``accepted``."""
    return next(iter(accepted(value)), "")


def find_home(environ: Mapping[str, str]) -> Path:
    """TASADOR_HOME, else the nearest ``.tasador`` in this folder or above, else ``./.tasador``.

    Raises ConfigurationError if TASADOR_HOME names the folder of an unknown user, or the current
    folder was deleted.
    """
    home = environ.get("TASADOR_HOME")
    try:
        if home:
            return Path(home).expanduser().resolve()
        current = Path.cwd()
    except RuntimeError as error:
        raise ConfigurationError(f"TASADOR_HOME is {home!r}: {error}") from None
    except FileNotFoundError:
        raise ConfigurationError(
            "the current folder was deleted: change to another one, or set TASADOR_HOME"
        ) from None
    for folder in (current, *current.parents):
        if (folder / ".tasador").is_dir():
            return folder / ".tasador"
    return current / ".tasador"


def may_change(environ: Mapping[str, str] | None = None) -> bool:
    """Whether settings come from files, so that a wrong one may be corrected while we run."""
    environ = os.environ if environ is None else environ
    return bool(environ.get("TASADOR_SETTINGS")) or (find_home(environ) / ENDPOINTS_FILE).is_file()


def _read_mounted(folder: str) -> dict[str, str]:
    """The settings in a mounted Secret: a file for each; empty without a folder."""
    if not folder:
        return {}
    values = {}
    try:
        for path in Path(folder).iterdir():
            if path.name.startswith("TASADOR_") and path.is_file():
                # `kubectl create secret --from-file` keeps the last line's end.
                values[path.name] = path.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"TASADOR_SETTINGS is {folder!r}, which cannot be read: {error}"
        ) from None
    return values


def read_env_file(path: Path) -> dict[str, str]:
    """Read KEY=value lines; empty if the file does not exist."""
    if not path.is_file():
        return {}
    lines = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {key.strip(): value for key, _, value in lines if not key.startswith("#")}
