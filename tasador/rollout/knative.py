"""Knative Serving as a rollout's backend: a client of the Kubernetes API.

The two Services belong to whoever rolls out, and nobody else writes them: a Service in git would
lose its model whenever git is applied. What a process looks like is in git all the same, as a
PodTemplate of the service's name; a revision is that template with the model in its environment.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tasador.errors import RolloutError, ServiceUnavailable
from tasador.rollout import knative_objects as objects
from tasador.rollout.backend import Revision, ServiceState, Target
from tasador.rollout.kube import KubeClient
from tasador.rollout.plan import CANDIDATE

_SERVING = "/apis/serving.knative.dev/v1/namespaces"
_ROUTED_WITHIN = 30.0
_PAUSE = 0.5

# What Knative takes of a pod's spec; the rest of a PodTemplate are the API server's defaults.
_OF_A_POD = (
    "containers",
    "volumes",
    "serviceAccountName",
    "automountServiceAccountToken",
    "enableServiceLinks",
    "imagePullSecrets",
)


class KnativeBackend:
    """See Backend; a context manager that closes its connections."""

    def __init__(
        self,
        client: KubeClient | None = None,
        *,
        probe: Callable[[str], int] | None = None,
        pause: float = _PAUSE,
    ) -> None:
        """By default a client of the cluster that this process is a pod of.

        ``probe`` asks an address and gives the HTTP status (0 for no answer); ``pause`` is in
        seconds, between two looks at what is awaited.
        """
        self._kube = client or KubeClient.of_this_pod()
        self._probe = probe or _status_of
        self._pause = pause

    def __enter__(self) -> KnativeBackend:
        return self

    def __exit__(self, *_: object) -> None:
        self._kube.close()

    def state(self, service: str) -> ServiceState:
        """The service as it is now."""
        found = self._service(service)
        if found is None:
            return ServiceState(name=service)
        revisions = self._kube.get(
            f"{self._of('revisions')}?labelSelector=serving.knative.dev%2Fservice%3D{service}"
        )
        return ServiceState(
            name=service,
            revisions=tuple(
                Revision(name=each["metadata"]["name"], env=objects.env_of(each["spec"]))
                for each in (revisions or {}).get("items", [])
                if "deletionTimestamp" not in each["metadata"]
            ),
            traffic=objects.read_traffic(found),
        )

    def create(self, service: str, revision: Revision) -> None:
        """Make the revision by giving the service its template; its traffic stays where it is."""
        found = self._service(service)
        if found is not None and self._revision(revision.name) is not None:
            return
        template = self._template(service, revision)
        if found is None:
            self._kube.apply(
                f"{self._of('services')}/{service}",
                {
                    "apiVersion": "serving.knative.dev/v1",
                    "kind": "Service",
                    "metadata": {
                        "name": service,
                        "labels": {"app.kubernetes.io/part-of": "tasador"},
                    },
                    "spec": {
                        "template": template,
                        "traffic": objects.write_traffic((Target(revision.name, 0, CANDIDATE),)),
                    },
                },
            )
            return
        self._patch(service, "template", template)

    def direct(self, service: str, traffic: tuple[Target, ...]) -> None:
        """Replace the traffic; where all of it is settled, wait until the route has taken it."""
        found = self._service(service)
        if found is None:
            return
        if not traffic:
            # Nothing served before this, and a Service must send its traffic somewhere.
            self._kube.delete(f"{self._of('services')}/{service}")
            return
        wanted = objects.write_traffic(traffic)
        if found["spec"].get("traffic") != wanted:
            self._patch(service, "traffic", wanted)
        if not any(target.tag for target in traffic):
            self._await_route(service, traffic)

    def start(self, service: str, revision: str, timeout: float) -> tuple[bool, str]:
        """Wait for the revision's first process and for its tag to be reachable.

        Knative starts one by itself (initial-scale 1), and sends nothing to it before it is ready.
        """
        deadline = time.monotonic() + timeout
        url = f"{self.address(service, CANDIDATE)}/ready"
        said = "no such revision was made"
        while True:
            found = self._revision(revision)
            condition = objects.condition_of(found, "Ready") if found else None
            if found is not None and condition is not None:
                said = objects.in_words(condition, *objects.troubles(found))
                # A full node may have room in a moment: finished pods leave, a node is added.
                if condition["status"] == "False" and condition.get("reason") != "Unschedulable":
                    return False, said
                if condition["status"] == "True":
                    status = self._probe(url)
                    if status == 200:
                        return True, ""
                    said = f"it is ready, but {url} answers {status or 'nothing'}"
            if time.monotonic() >= deadline:
                return False, f"after {timeout:.0f} s: {said}"
            time.sleep(self._pause)

    def delete(self, service: str, revision: str) -> None:
        """Delete the revision; the service's template, if it is this one, goes back first."""
        found = self._service(service)
        if found is not None and found["spec"]["template"]["metadata"].get("name") == revision:
            serving = max(objects.read_traffic(found), key=lambda t: t.percent, default=None)
            kept = self._revision(serving.revision) if serving and serving.percent else None
            if kept is None or serving is None or serving.revision == revision:
                raise RolloutError(f"{revision} is all that {service} has: it is not deleted")
            # Knative would make the revision again for as long as the template names it.
            self._patch(service, "template", objects.template_of(kept))
            self._await_template(service, kept["metadata"]["name"])
        self._kube.delete(f"{self._of('revisions')}/{revision}")

    def address(self, service: str, tag: str) -> str:
        """The tag's address inside the cluster."""
        return f"http://{tag}-{service}.{self._kube.namespace}.svc.cluster.local"

    # -- objects ------------------------------------------------------------------------------

    def _of(self, kind: str) -> str:
        return f"{_SERVING}/{self._kube.namespace}/{kind}"

    def _service(self, service: str) -> dict[str, Any] | None:
        return self._kube.get(f"{self._of('services')}/{service}")

    def _revision(self, revision: str) -> dict[str, Any] | None:
        return self._kube.get(f"{self._of('revisions')}/{revision}")

    def _patch(self, service: str, part: str, value: Any) -> None:
        self._kube.patch(
            f"{self._of('services')}/{service}",
            [{"op": "add", "path": f"/spec/{part}", "value": value}],
        )

    def _template(self, service: str, revision: Revision) -> dict[str, Any]:
        path = f"/api/v1/namespaces/{self._kube.namespace}/podtemplates/{service}"
        found = self._kube.get(path)
        if found is None:
            raise RolloutError(
                f"there is no PodTemplate {service} in {self._kube.namespace}: it says what a "
                "process of the service looks like (knative/functions.yaml); apply the manifests"
            )
        template = found["template"]
        spec = {key: template["spec"][key] for key in _OF_A_POD if key in template["spec"]}
        model = [{"name": name, "value": value} for name, value in revision.env.items()]
        first, *others = spec["containers"]
        first = {**first, "env": [*first.get("env", []), *model]}
        metadata = template.get("metadata") or {}
        return {
            "metadata": {
                "name": revision.name,
                "labels": metadata.get("labels") or {},
                "annotations": metadata.get("annotations") or {},
            },
            "spec": {**spec, "containers": [first, *others]},
        }

    def _await_template(self, service: str, revision: str) -> None:
        deadline = time.monotonic() + _ROUTED_WITHIN
        while True:
            found = self._service(service) or {}
            if (
                objects.is_seen(found)
                and found["status"].get("latestCreatedRevisionName") == revision
            ):
                return
            if time.monotonic() >= deadline:
                raise ServiceUnavailable(
                    f"{service} did not go back to {revision} within {_ROUTED_WITHIN:.0f} s: are "
                    "Knative's controllers at work?"
                )
            time.sleep(self._pause)

    def _await_route(self, service: str, traffic: tuple[Target, ...]) -> None:
        deadline = time.monotonic() + _ROUTED_WITHIN
        while True:
            found = self._service(service) or {}
            status = found.get("status", {})
            condition = objects.condition_of(found, "RoutesReady") or {}
            routed = {
                (t.get("revisionName"), t.get("percent") or 0) for t in status.get("traffic", [])
            }
            if (
                objects.is_seen(found)
                and condition.get("status") == "True"
                and routed == {(t.revision, t.percent) for t in traffic}
            ):
                return
            if time.monotonic() >= deadline:
                raise RolloutError(
                    f"{service} did not take its traffic within {_ROUTED_WITHIN:.0f} s: "
                    + objects.in_words(condition)
                )
            time.sleep(self._pause)


def _status_of(url: str) -> int:
    import httpx

    try:
        return httpx.get(url, timeout=10.0, trust_env=False).status_code
    except httpx.TransportError:
        return 0
