"""How a person reaches each part: addresses, and the commands that print passwords."""

from dataclasses import dataclass

# The command that prints a value of a Secret.
DECODED = "kubectl -n {namespace} get secret {name} -o jsonpath='{{.data.{key}}}' | base64 -d"


@dataclass(frozen=True)
class Address:
    """One part of the platform.

    ``application`` installs it; ``login`` says how to log in, or is empty.
    """

    name: str
    application: str
    url: str
    login: str = ""


ADDRESSES = (
    Address(
        "web app",
        "web",
        "http://127.0.0.1:30501",
        "an account: kubectl -n tasador exec -it deployment/console --"
        " tasador user add NAME --role operator",
    ),
    Address("predict", "functions", "http://predict.tasador.localhost:30800/predict"),
    Address("explain", "functions", "http://explain.tasador.localhost:30800/explain"),
    Address("Broker", "functions", "http://broker.localhost:30800/tasador/default"),
    Address(
        "MLflow",
        "platform",
        "http://127.0.0.1:30500",
        "any user, password: "
        + DECODED.format(namespace="tasador", name="tasador-mlflow", key="TASADOR_MLFLOW_PASSWORD"),
    ),
    Address("Metaflow UI", "metaflow", "http://127.0.0.1:30080"),
    Address(
        "Argo CD",
        "argo-cd",
        "https://127.0.0.1:30443",
        "user admin, password: "
        + DECODED.format(namespace="argocd", name="argocd-initial-admin-secret", key="password"),
    ),
    Address(
        "Argo Workflows",
        "argo-workflows",
        "https://127.0.0.1:30746",
        'token: echo "Bearer $(kubectl -n argo create token argo-server)"',
    ),
    Address("Prometheus", "monitoring", "http://127.0.0.1:30090"),
    Address("Grafana", "monitoring", "http://127.0.0.1:30300"),
    Address("Alertmanager", "monitoring", "http://127.0.0.1:30903"),
    Address(
        "Postgres",
        "platform",
        "kubectl -n tasador port-forward service/postgres 5432",
        "user tasador, password: "
        + DECODED.format(namespace="tasador", name="tasador-postgres", key="POSTGRES_PASSWORD"),
    ),
    Address(
        "S3",
        "platform",
        "kubectl -n tasador port-forward service/objects 8333",
        "key flows, secret: "
        + DECODED.format(namespace="tasador", name="tasador-flows", key="AWS_SECRET_ACCESS_KEY"),
    ),
    Address(
        "console", "console", "kubectl -n tasador exec -it deployment/console -- tasador batch list"
    ),
)

# How commands on this machine use the cluster, and who signs in to the web app.
NEXT = """\
From this machine, commands and flows use the cluster with a profile:
  tasador connect k3d
  export TASADOR_HOME=~/.config/tasador/k3d METAFLOW_PROFILE=k3d
  tasador connect k3d --forward    # in a second terminal; it stays"""


def text(applications: set[str]) -> str:
    """Everything that a person needs to begin with, as text."""
    return f"{table(applications)}\n\n{NEXT}"


def table(applications: set[str]) -> str:
    """The addresses of the parts that these applications install, as text."""
    rows = [each for each in ADDRESSES if each.application in applications]
    width = max((len(each.name) for each in rows), default=0)
    lines = []
    for each in rows:
        lines.append(f"{each.name:<{width}}  {each.url}")
        if each.login:
            lines.append(f"{'':<{width}}  {each.login}")
    return "\n".join(lines)
