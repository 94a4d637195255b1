"""The application of applications, from which Argo CD installs everything else."""

from typing import Any

NAME = "root"
NAMESPACE = "argocd"


def root(repository: str, revision: str, environment: str) -> dict[str, Any]:
    """The Application that reads cluster/environments/ENVIRONMENT.

    Only this names a repository: every application in that folder gets the same address and
    revision.
    """
    source = {"repoURL": repository, "targetRevision": revision}
    patch = "\n".join(
        f"- {{op: replace, path: /spec/source/{field}, value: {value!r}}}"
        for field, value in source.items()
    )
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "project": "default",
            "source": {
                **source,
                "path": f"cluster/environments/{environment}",
                "kustomize": {"patches": [{"target": {"kind": "Application"}, "patch": patch}]},
            },
            "destination": {"server": "https://kubernetes.default.svc", "namespace": NAMESPACE},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": ["ServerSideApply=true"],
                "retry": {
                    "limit": -1,
                    "backoff": {"duration": "10s", "factor": 2, "maxDuration": "3m"},
                },
            },
        },
    }
