"""Knative Serving as the backend of a rollout: a client of the Kubernetes API.

Only a rollout writes the two Services: a Service in git would lose its model each time git is
applied. The pod's spec is in git, in a PodTemplate with the service's name. A revision is that
template with the model in its environment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tasador.clock import wait_until
from tasador.errors import RolloutError, ServiceUnavailable
from tasador.records.shadow import MIRROR
from tasador.rollout import knative_objects as objects
from tasador.rollout.backend import Revision, ServiceState, Target
from tasador.rollout.kube import KubeClient
from tasador.rollout.plan import CANDIDATE

_SERVING = "/apis/serving.knative.dev/v1/namespaces"
_EVENTING = "/apis/eventing.knative.dev/v1/namespaces"
_ROUTED_WITHIN = 30.0
_PAUSE = 0.5

# A revision may state how long a request may take; a PodTemplate has no field for it, only this
# annotation. It includes the wait for a process that is ready.
_TIMEOUT = "tasador/timeout-seconds"
_DEFAULT_TIMEOUT = 30

# The fields of a pod's spec that Knative accepts. The others are defaults of the API server.
_POD_FIELDS = (
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
        probe: Callable[[str], tuple[int, str]] | None = None,
        pause: float = _PAUSE,
    ) -> None:
        """By default a client of the cluster in which this process is a pod.

        ``probe`` returns the HTTP status of an address (0 if it does not answer) and the reason in
        its answer. ``pause`` is the interval of polling in seconds.
        """
        self._kube = client or KubeClient.of_this_pod()
        self._probe = probe or _status_of
        self._pause = pause

    def __enter__(self) -> KnativeBackend:
        return self

    def __exit__(self, *_: object) -> None:
        self._kube.close()

    def state(self, service: str) -> ServiceState:
        """The current state of the service."""
        current = self._service(service)
        if current is None:
            return ServiceState(name=service)
        revisions = self._kube.get(
            f"{self._of('revisions')}?labelSelector=serving.knative.dev%2Fservice%3D{service}"
        )
        return ServiceState(
            name=service,
            revisions=tuple(
                Revision(name=item["metadata"]["name"], env=objects.env_of(item["spec"]))
                for item in (revisions or {}).get("items", [])
                if "deletionTimestamp" not in item["metadata"]
            ),
            traffic=objects.read_traffic(current),
        )

    def create(self, service: str, revision: Revision) -> None:
        """Create the revision by changing the service's template; the traffic stays as it is."""
        current = self._service(service)
        if current is not None and self._revision(revision.name) is not None:
            return
        template = self._template(service, revision)
        if current is None:
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
        """Replace the traffic; if no target has a tag, wait until the route has changed."""
        current = self._service(service)
        if current is None:
            return
        if not traffic:
            # Nothing has served yet, and a Service must have a target for its traffic.
            self._kube.delete(f"{self._of('services')}/{service}")
            return
        wanted = objects.write_traffic(traffic)
        if current["spec"].get("traffic") != wanted:
            self._patch(service, "traffic", wanted)
        if not any(target.tag for target in traffic):
            self._await_route(service, traffic)

    def start(
        self, service: str, revision: str, timeout: float, *, tag: str = CANDIDATE
    ) -> tuple[bool, str]:
        """Wait until the revision's first process is ready and its tag can be reached.

        Knative starts the process by itself (initial-scale 1), and sends it no request before it is
        ready.
        """
        url = f"{self.address(service, tag)}/ready"
        is_ready, reason = False, "no such revision was created"

        def is_settled() -> bool:
            nonlocal is_ready, reason
            current = self._revision(revision)
            condition = objects.condition_of(current, "Ready") if current else None
            if current is None or condition is None:
                return False
            reason = objects.describe(condition, *objects.failed_conditions(current))
            if condition["status"] == "False":
                # A full node may have room again soon: pods finish, or a node is added.
                return condition.get("reason") != "Unschedulable"
            if condition["status"] == "True":
                # Knative routes requests to a process that can only tell why it is not ready.
                status, detail = self._probe(url)
                is_ready = status == 200
                reason = "" if is_ready else f"{url} answers {status or 'nothing'} {detail}".strip()
            return is_ready

        if wait_until(is_settled, timeout, self._pause):
            return is_ready, reason
        return False, f"after {timeout:.0f} s: {reason}"

    def delete(self, service: str, revision: str) -> None:
        """Delete the revision. If the service's template names it, the template goes back first."""
        current = self._service(service)
        if current is not None and current["spec"]["template"]["metadata"].get("name") == revision:
            serving = max(objects.read_traffic(current), key=lambda t: t.percent, default=None)
            kept = self._revision(serving.revision) if serving and serving.percent else None
            if kept is None or serving is None or serving.revision == revision:
                raise RolloutError(
                    f"{revision} is the only revision of {service}: it is not deleted"
                )
            # Knative would create the revision again as long as the template names it.
            self._patch(service, "template", objects.template_of(kept))
            self._await_template(service, kept["metadata"]["name"])
        self._kube.delete(f"{self._of('revisions')}/{revision}")

    def mirror(self, service: str, tag: str) -> None:
        """Create or delete the Trigger whose subscriber is the tag's address."""
        path = f"{_EVENTING}/{self._kube.namespace}/triggers/{MIRROR}"
        if tag:
            self._kube.apply(path, objects.mirror_trigger(self.address(service, tag)))
        else:
            self._kube.delete(path)

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
        stored = self._kube.get(path)
        if stored is None:
            raise RolloutError(
                f"there is no PodTemplate {service} in {self._kube.namespace}: it holds the spec "
                "of the service's pods (knative/functions.yaml); apply the manifests"
            )
        template = stored["template"]
        spec = {key: template["spec"][key] for key in _POD_FIELDS if key in template["spec"]}
        model = [{"name": name, "value": value} for name, value in revision.env.items()]
        first, *others = spec["containers"]
        first = {**first, "env": [*first.get("env", []), *model]}
        metadata = template.get("metadata") or {}
        annotations = dict(metadata.get("annotations") or {})
        return {
            "metadata": {
                "name": revision.name,
                "labels": metadata.get("labels") or {},
                "annotations": annotations,
            },
            "spec": {
                **spec,
                "containers": [first, *others],
                "timeoutSeconds": _seconds(service, annotations.pop(_TIMEOUT, _DEFAULT_TIMEOUT)),
            },
        }

    def _await_template(self, service: str, revision: str) -> None:
        def is_back() -> bool:
            current = self._service(service) or {}
            return (
                objects.is_observed(current)
                and current["status"].get("latestCreatedRevisionName") == revision
            )

        if not wait_until(is_back, _ROUTED_WITHIN, self._pause):
            raise ServiceUnavailable(
                f"{service} did not go back to {revision} within {_ROUTED_WITHIN:.0f} s: are "
                "Knative's controllers running?"
            )

    def _await_route(self, service: str, traffic: tuple[Target, ...]) -> None:
        condition: dict[str, Any] = {}

        def is_routed() -> bool:
            nonlocal condition
            current = self._service(service) or {}
            condition = objects.condition_of(current, "RoutesReady") or {}
            routed = {
                (t.get("revisionName"), t.get("percent") or 0)
                for t in current.get("status", {}).get("traffic", [])
            }
            return (
                objects.is_observed(current)
                and condition.get("status") == "True"
                and routed == {(t.revision, t.percent) for t in traffic}
            )

        if not wait_until(is_routed, _ROUTED_WITHIN, self._pause):
            raise RolloutError(
                f"{service} did not change its traffic within {_ROUTED_WITHIN:.0f} s: "
                + objects.describe(condition)
            )


def _seconds(service: str, text: str | int) -> int:
    """The timeout of a revision; raises RolloutError that names the annotation."""
    if not str(text).isdecimal() or int(text) < 1:
        raise RolloutError(
            f"the annotation {_TIMEOUT} of the PodTemplate {service} is {text!r}, not a whole "
            "number of seconds"
        )
    return int(text)


def _status_of(url: str) -> tuple[int, str]:
    import httpx

    try:
        answer = httpx.get(url, timeout=10.0, trust_env=False)
    except httpx.TransportError:
        return 0, ""
    try:
        return answer.status_code, str(answer.json().get("detail", ""))[:500]
    except (ValueError, AttributeError):
        return answer.status_code, answer.text[:200]
