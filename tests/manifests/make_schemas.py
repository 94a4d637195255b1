"""Write the schemas of the custom resources in the manifests, taken from their Go modules.

python tests/manifests/make_schemas.py      # needs Go; writes tests/manifests/schemas/*.json

To keep them small, they omit descriptions and the parts that the manifests do not use. Objects
allow no additional properties, so that a typing error is found. Two schemas are `of_crd` of files
that not every Go proxy has: ExternalSecret of config/crds/bases in the repository of External
Secrets at v2.9.0, and Cluster of config/crd/bases in that of CloudNativePG at v1.30.0, with the
fields that the component uses. All projects are under the Apache License 2.0, k3d under the MIT
License.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
SERVING = "knative.dev/serving@v0.47.1"
EVENTING = "knative.dev/eventing@v0.47.0"
EVENTS = "github.com/argoproj/argo-events@v1.9.7"
WORKFLOWS = "github.com/argoproj/argo-workflows/v3@v3.6.12"
ARGO_CD = "github.com/argoproj/argo-cd/v3@v3.2.11"
K3D = "github.com/k3d-io/k3d/v5@v5.9.0"

CRDS = [
    (SERVING, "config/core/300-resources/service.yaml"),
    (EVENTING, "config/core/resources/broker.yaml"),
    (EVENTING, "config/core/resources/trigger.yaml"),
    (EVENTING, "config/core/resources/sinkbindings.yaml"),
    (ARGO_CD, "manifests/crds/application-crd.yaml"),
    (ARGO_CD, "manifests/crds/appproject-crd.yaml"),
]
DEFINITIONS = [
    (EVENTS, "io.argoproj.events.v1alpha1.EventBus", "EventBus", {}),
    (
        EVENTS,
        "io.argoproj.events.v1alpha1.EventSource",
        "EventSource",
        # The only kind of source that is used, out of two dozen.
        {
            "io.argoproj.events.v1alpha1.EventSourceSpec": (
                *("eventBusName", "replicas", "service", "template"),
                "webhook",
            )
        },
    ),
    (
        WORKFLOWS,
        "io.argoproj.workflow.v1alpha1.CronWorkflow",
        "CronWorkflow",
        {"io.argoproj.workflow.v1alpha1.WorkflowSpec": ("workflowTemplateRef",)},
    ),
]
ARGO = "argoproj.io/v1alpha1"


def module(name):
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            ["go", "mod", "download", "-json", name],
            cwd=scratch,
            check=True,
            capture_output=True,
            text=True,
        )
    return Path(json.loads(done.stdout)["Dir"])


def strict(schema):
    """The schema without descriptions, closed wherever it names its properties."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    kept = {
        key: (
            {name: strict(value) for name, value in each.items()}
            if key in ("properties", "definitions")
            else strict(each)
        )
        for key, each in schema.items()
        if not key.startswith("x-kubernetes")
        and key not in ("description", "title", "format", "default")
    }
    preserved = schema.get("x-kubernetes-preserve-unknown-fields")
    if kept.get("properties") and not preserved:
        kept.setdefault("additionalProperties", False)
    return kept


def of_crd(path):
    crd = next(d for d in yaml.safe_load_all(path.read_text()) if d)
    spec = crd["spec"]
    for version in spec["versions"]:
        if not version["served"]:
            continue
        schema = strict(version["schema"]["openAPIV3Schema"])
        # A manifest sets neither, and for Argo CD they are most of the schema.
        for field in ("status", "operation"):
            schema["properties"].pop(field, None)
        schema["properties"] |= {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
        }
        yield f"{spec['group']}/{version['name']}", spec["names"]["kind"], schema


def reachable(definitions, root):
    used, waiting = {}, [root]
    while waiting:
        name = waiting.pop()
        if name in used:
            continue
        used[name] = definitions[name]
        text = json.dumps(definitions[name])
        waiting += [n for n in definitions if f'"#/definitions/{n}"' in text and n not in used]
    return used


def of_definition(path, root, only):
    definitions = json.loads(path.read_text())["definitions"]
    for name in definitions:
        # A metadata's or quantity's own schema tells nothing here.
        if name.endswith((".ObjectMeta", ".ListMeta")):
            definitions[name] = {"type": "object"}
        if name.endswith((".IntOrString", ".Int64OrString")):
            definitions[name] = {"type": ["integer", "string"]}
    for name, properties in only.items():
        spec = definitions[name]["properties"]
        definitions[name]["properties"] = {k: v for k, v in spec.items() if k in properties}
    # Written for Go, where a field that may be left out is the empty text.
    if webhook := definitions.get("io.argoproj.events.v1alpha1.WebhookEventSource"):
        webhook["required"].remove("url")
    definitions[root].setdefault("properties", {}).pop("status", None)
    return {
        "$ref": f"#/definitions/{root}",
        "definitions": strict(reachable(definitions, root)),
    }


def write(api_version, kind, schema):
    name = f"{api_version.replace('/', '_')}_{kind}.json"
    (HERE / "schemas" / name).write_text(
        json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n"
    )


def main():
    (HERE / "schemas").mkdir(exist_ok=True)
    for name, path in CRDS:
        for api_version, kind, schema in of_crd(module(name) / path):
            write(api_version, kind, schema)
    configuration = json.loads((module(K3D) / "pkg/config/v1alpha5/schema.json").read_text())
    write("k3d.io/v1alpha5", "Simple", strict(configuration))
    for name, root, kind, only in DEFINITIONS:
        path = module(name) / "api/jsonschema/schema.json"
        write(ARGO, kind, of_definition(path, root, only))


if __name__ == "__main__":
    main()
