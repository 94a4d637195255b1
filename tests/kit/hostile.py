"""The environment of a user whose shell and home folder are set up for other tools."""

import os

# One value per variable that a library of Tasador reads, each of them harmful here.
VARIABLES = {
    "AWS_PROFILE": "somebody-else",
    "AWS_REGION": "mars-north-1",
    "AWS_DEFAULT_REGION": "mars-north-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    "AWS_CA_BUNDLE": "/nowhere/ca.pem",
    "AWS_SESSION_TOKEN": "expired",
    "AWS_CONFIG_FILE": "/nowhere/aws",
    "AWS_MAX_ATTEMPTS": "many",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "ALL_PROXY": "socks5h://127.0.0.1:9",
    "all_proxy": "socks5h://127.0.0.1:9",
    "NO_PROXY": "example.org",
    "PGSSLMODE": "verify-full",
    "PGSERVICE": "nowhere",
    "PGPASSFILE": "/nowhere/pgpass",
    "PGHOST": "nowhere.invalid",
    "PGOPTIONS": "-c search_path=nowhere",
    "PGDATABASE": "nowhere",
    "PGTZ": "Mars/Olympus",
    "METAFLOW_DEFAULT_METADATA": "service",
    "METAFLOW_DEFAULT_DATASTORE": "s3",
    "METAFLOW_PROFILE": "work",
    "METAFLOW_DATASTORE_SYSROOT_LOCAL": "/nowhere",
    "METAFLOW_SERVICE_URL": "http://127.0.0.1:9",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    "MLFLOW_EXPERIMENT_NAME": "theirs",
    "MLFLOW_RUN_ID": "0123456789abcdef0123456789abcdef",
    "MLFLOW_TRACKING_TOKEN": "a token",
    "MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:9",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "never",
    "RCLONE_AUTH_KEY": "them,secret",
    "OPTUNA_STORAGE": "sqlite:////nowhere/optuna.db",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONHASHSEED": "1",
    "PYTHONIOENCODING": "ascii",
    "PYTHONUTF8": "0",
    "OMP_NUM_THREADS": "1",
    "LANG": "C",
    "LC_ALL": "C",
    "NO_COLOR": "1",
    "TERM": "dumb",
    "COLUMNS": "40",
    "TZ": "Asia/Kathmandu",
    "SSL_CERT_FILE": "/nowhere/cert.pem",
    "REQUESTS_CA_BUNDLE": "/nowhere/ca.pem",
    "KUBECONFIG": "/nowhere/kubeconfig",
    "GIT_DIR": "/nowhere/.git",
    "WEB_CONCURRENCY": "7",
    "UVICORN_PORT": "9",
    "REFLEX_API_URL": "http://nowhere.invalid",
}
FILES = {
    ".pgpass": "*:*:*:*:wrong\n",
    ".pg_service.conf": "[nowhere]\nhost=nowhere.invalid\n",
    ".postgresql/root.crt": "no certificate\n",
    ".aws/config": "this is no config\n",
    ".aws/credentials": "[default]\naws_access_key_id = theirs\n",
    ".metaflowconfig/config.json": '{"METAFLOW_DEFAULT_METADATA": "service"}',
    ".netrc": "default login them password secret\n",
}


def hostile(folder, environ=None):
    """All of it: variables, a home folder, a shadowing PYTHONPATH, a TMPDIR with spaces."""
    home = folder / "home of a user"
    for name, text in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    (home / "tmp with spaces").mkdir(exist_ok=True)
    shadow = home / "shadow"
    shadow.mkdir(exist_ok=True)
    for module in ("numpy", "httpx", "rich", "metaflow", "psycopg2"):
        (shadow / f"{module}.py").write_text(f"raise RuntimeError('{module} of the user')\n")
    return {
        **(os.environ if environ is None else environ),
        **VARIABLES,
        "HOME": str(home),
        "TMPDIR": str(home / "tmp with spaces"),
        "PYTHONPATH": str(shadow),
    }
