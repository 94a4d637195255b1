"""The environment of Tasador's processes.

A shell may hold settings for other tools: AWS_PROFILE, HTTP_PROXY, PGSERVICE, METAFLOW_PROFILE, a
~/.pgpass. The libraries that Tasador uses read them in silence. On the embedded platform they
must not reach it: a process gets what ``_INHERITED`` lists and Tasador's own values, whatever else
is set. On a cluster the environment is the configuration. Nothing is removed there, and an error
names the variables that may have caused it (``named``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from io import TextIOWrapper
from locale import getencoding
from pathlib import Path

from tasador.settings import CHECKOUT, ENDPOINTS_FILE, find_home, read_env_file

# Names, and prefixes that end with an underscore, of what every process may inherit: the machine
# and the account, certificates and proxies for addresses outside, thread limits, Tasador itself.
_INHERITED = frozenset(
    {
        *("PATH", "HOME", "USER", "USERNAME", "LOGNAME", "SUDO_USER", "SHELL", "TZ", "GIT_SHA"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
        *("PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE", "OMP_", "OPENBLAS_NUM_THREADS"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        # Where telemetry goes (tasador/tracing/spans.py).
        *("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"),
        *("XDG_", "NPM_CONFIG_", "npm_config_", "TASADOR_", "COVERAGE_"),
    }
)
# What a command in a terminal reads as well: the terminal, the language, the completion of the
# shell, and the model of `tasador serve`.
_TERMINAL = frozenset(
    {
        *("TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "LANG", "LANGUAGE"),
        *("LC_", "PYTHONIOENCODING", "PYTHONUNBUFFERED", "COMP_", "_TASADOR_", "_TYPER_"),
        *("MODEL_", "K_", "THREADS", "QUEUE"),
    }
)
# For ``named``: what decides how a server is reached.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
_TEMPORARY = ("TMPDIR", "TEMP", "TMP")
# These change nothing that a running interpreter has done already.
_HARMLESS = frozenset(
    {
        *("PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONHASHSEED"),
        *("PYTHONIOENCODING", "PYTHONFAULTHANDLER", "PYTHONNOUSERSITE", "PYTHONSAFEPATH"),
    }
)
# The home folder for which a process's environment was made.
_MADE_FOR = "TASADOR_ENVIRONMENT_OF"
_METAFLOW_FOLDERS = ("METAFLOW_DATASTORE_SYSROOT_LOCAL", "METAFLOW_CARD_LOCALROOT")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NOTHING = "/dev/null"


def for_child(home: Path, environ: Mapping[str, str], **more: str) -> dict[str, str]:
    """The environment of a process of the embedded platform in ``home``; ``more`` wins."""
    made = {name: value for name, value in environ.items() if _matches(name, _INHERITED)}
    # A child of a daemon is not that daemon.
    made.pop("TASADOR_DAEMON", None)
    for name in _TEMPORARY:
        if Path(environ.get(name) or "?").is_dir():
            made[name] = environ[name]
    if str(CHECKOUT) in environ.get("PYTHONPATH", "").split(os.pathsep):
        made["PYTHONPATH"] = str(CHECKOUT)
    mine = {"TASADOR_HOME": str(home), _MADE_FOR: str(home), **_own(home)}
    return {**made, **_proxies(environ), **mine, **more}


def enter(command: Iterable[str]) -> None:
    """Give this process the environment of the embedded platform; on a cluster do nothing.

    Call it before a library reads its variables. If variables such as PYTHONWARNINGS have changed
    this interpreter already, another one with ``command`` takes its place.
    """
    # Text that the terminal's encoding lacks becomes "?" instead of a traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    if not is_of_user():
        return
    home = find_home(os.environ)
    terminal = {name: v for name, v in os.environ.items() if _matches(name, _TERMINAL)}
    made = for_child(home, os.environ, **terminal)
    if not (home / ENDPOINTS_FILE).is_file():
        # No platform yet: a flow's `show` or `check` must not create a home folder.
        for name in _METAFLOW_FOLDERS:
            del made[name]
    restart = _python_was_changed(made)
    if restart or "PYTHONIOENCODING" in made:
        # For the processes to come, as above for this one.
        made["PYTHONIOENCODING"] = f"{sys.stdout.encoding}:replace"
    os.environ.clear()
    os.environ.update(made)
    if restart:
        os.execve(sys.executable, [sys.executable, *command], made)  # noqa: S606


def _python_was_changed(made: Mapping[str, str]) -> bool:
    """Whether this interpreter runs with other variables, or another encoding of files."""
    if not sys.flags.utf8_mode and getencoding().upper() != "UTF-8":
        return True
    return any(
        name.startswith("PYTHON") and name not in _HARMLESS and made.get(name) != value
        for name, value in os.environ.items()
    )


def is_of_user() -> bool:
    """Whether a user of the embedded platform started this process: ``enter`` will act."""
    home = find_home(os.environ)
    stored = read_env_file(home / ENDPOINTS_FILE).get("TASADOR_PLATFORM", "embedded")
    is_cluster = os.environ.get("TASADOR_PLATFORM", stored) == "cluster"
    return not is_cluster and os.environ.get(_MADE_FOR) != str(home)


def metaflow_folder(home: Path) -> Path:
    """The folder of Metaflow's runs and cards on the embedded platform."""
    return home / ".metaflow"


# The user of a process for whom the system has no name.
UNKNOWN = "unknown"


def whoami() -> str:
    """The user that runs this process, or UNKNOWN."""
    import getpass  # not needed to start a process

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return UNKNOWN


def named(*names: str) -> str:
    """Name the variables of a cluster's or a library user's environment that match, for an error.

    ``names`` are names, or prefixes that end with an underscore or are PG. Empty if there are
    none, and where ``for_child`` made the environment, since the variables are Tasador's then.
    """
    matches = () if _MADE_FOR in os.environ else variables(*names)
    return f"; the environment sets {', '.join(matches)}" if matches else ""


def variables(*names: str) -> list[str]:
    """The variables in the environment that match, as for ``named``."""
    prefixes = tuple(name for name in names if name.endswith("_") or name == "PG")
    return sorted(n for n in os.environ if n in names or (prefixes and n.startswith(prefixes)))


def _matches(name: str, allowed: frozenset[str]) -> bool:
    return name in allowed or name.startswith(tuple(p for p in allowed if p.endswith("_")))


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Never use a proxy for this machine; an earlier list of exceptions stays."""
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if listed.strip() != "*":
        hosts = [host.strip() for host in listed.split(",") if host.strip()]
        listed = ",".join([*hosts, *(host for host in LOOPBACK if host not in hosts)])
    return {"no_proxy": listed, "NO_PROXY": listed}


def _own(home: Path) -> dict[str, str]:
    """Values that win over files in the user's home folder and over the libraries' defaults."""
    return {
        "PYTHONUTF8": "1",
        "AWS_CONFIG_FILE": _NOTHING,
        "AWS_SHARED_CREDENTIALS_FILE": _NOTHING,
        "AWS_EC2_METADATA_DISABLED": "true",
        "BOTO_CONFIG": _NOTHING,
        "PGPASSFILE": f"{_NOTHING}/none",  # libpq warns if this is not a file
        "PGSERVICEFILE": _NOTHING,
        "PGSYSCONFDIR": _NOTHING,
        # A ~/.postgresql/root.crt would make libpq verify a certificate.
        "PGSSLMODE": "disable",
        "PGGSSENCMODE": "disable",
        "NETRC": _NOTHING,
        # NannyML reads a .env file of the checkout or of a folder above it when it is imported.
        "PYTHON_DOTENV_DISABLED": "1",
        # Instead of ~/.metaflowconfig; the folder need not exist.
        "METAFLOW_HOME": str(home / "metaflow-settings"),
        **dict(
            zip(
                _METAFLOW_FOLDERS, (str(home), str(metaflow_folder(home) / "mf.cards")), strict=True
            )
        ),
    }
