"""cluster/versions alone sets versions: manifests and Dockerfiles repeat its values."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from cluster.pins import pins
from tests.kit.checkout import ROOT

# Images of this repository, by any registry; `images.py` names them by commit.
OURS = re.compile(r"(^|/)tasador-[a-z]+(:|$)")
IMAGE = re.compile(r"^[\s-]*image:\s*[\"']?([^\s\"'#}]+)")
NEW_TAG = re.compile(r"name:\s*\"?([^\s\",}]+).*newTag:\s*\"?([^\s\",}]+)")
# What an operator is asked to run, such as the version of a JetStream.
SOFTWARE = re.compile(r"^\s+version:\s*[\"']?(\d[\w.]*)")
REMOTE = re.compile(r"^\s*-\s*[\"']?((?:https?|oci)://[^\s\"'#]+)")
CHART = re.compile(r"^\s*chart:\s*[\"']?([^\s\"'#]+)")
REVISION = re.compile(r"^\s*targetRevision:\s*[\"']?([^\s\"'#]+)")
# `pip install ... NAME==VERSION`, and `go install|run MODULE@VERSION`.
INSTALLED = re.compile(
    r"pip install [^\n]*?(\w+==[\w.]+)|go (?:install|run) \"?[\w./-]+@([^\s\"]+)"
)
FROM = re.compile(r"^FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)


def tracked(*patterns):
    """The tracked (or new) files that match."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "--", *patterns]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / line for line in done.stdout.splitlines() if (ROOT / line).is_file()]


def manifests():
    return tracked("cluster/*.yaml", "knative/*.yaml", "argo-workflows/*.yaml")


def dockerfiles():
    return tracked("*Dockerfile")


def in_manifest(text):
    """(line number, reference) of each foreign image, address and chart in a manifest."""
    chart = ""
    for number, line in enumerate(text.splitlines(), 1):
        if match := IMAGE.match(line):
            # "$..." and "@...@" are filled in by a program.
            if not OURS.search(match[1]) and match[1][0] not in "$@{":
                yield number, match[1]
        elif (match := NEW_TAG.search(line)) and not OURS.search(match[1]):
            yield number, match[2]
        elif (match := SOFTWARE.match(line)) or (match := REMOTE.match(line)):
            yield number, match[1]
        elif match := CHART.match(line):
            chart = match[1]
        elif chart and (match := REVISION.match(line)):
            yield number, f"{chart}@{match[1]}"
            chart = ""


def in_dockerfile(text):
    """(line number, image) of each base image that is no stage of the file."""
    stages = {"scratch"}
    for number, line in enumerate(text.splitlines(), 1):
        if match := FROM.match(line):
            if match[1] not in stages and not match[1].startswith("$"):
                yield number, match[1]
            stages.add(match[2] or "")


def strangers(files, read):
    known = set(pins().values())
    return [
        f"{path.relative_to(ROOT)}:{number}: {reference}"
        for path in files
        for number, reference in read(path.read_text())
        if reference not in known
    ]


def test_manifests_use_only_pinned_references():
    assert strangers(manifests(), in_manifest) == []


def test_dockerfiles_use_only_pinned_base_images():
    assert strangers(dockerfiles(), in_dockerfile) == []


def test_dockerfiles_and_tasks_install_only_pinned_programs():
    found = [
        (path.name, match)
        for path in [*dockerfiles(), *tracked("Taskfile.yml", ".github/workflows/*.yml")]
        for match in INSTALLED.findall(path.read_text())
    ]
    known = pins()
    assert {name for name, _ in found} >= {"Dockerfile", "Taskfile.yml", "nightly.yml"}
    for name, (by_pip, of_go) in found:
        if by_pip:
            package, _, version = by_pip.partition("==")
            assert known[package.upper()] == version, name
        else:
            assert re.fullmatch(r"v?\$(\w+)", of_go), f"{name}: {of_go} is no pin"
            assert of_go.lstrip("v$") in known, name


def test_every_action_is_pinned_by_its_commit():
    texts = [path.read_text() for path in tracked(".github/workflows/*.yml")]
    used = [line for text in texts for line in re.findall(r"uses:\s*(.+)", text)]
    assert len(used) > 10
    for each in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", each), each


def test_schemas_of_custom_resources_are_of_the_pinned_versions():
    text = (ROOT / "tests" / "manifests" / "make_schemas.py").read_text()
    known = pins()
    assert f"argo-events@{known['ARGO_EVENTS']}" in text
    assert f"argo-workflows/v3@{known['ARGO_WORKFLOWS']}" in text
    assert f"argo-cd/v3@{known['ARGO_CD']}" in text
    # Knative 1.N is the Go module 0.(N + 27).
    for name in ("serving", "eventing"):
        minor = int(known[f"KNATIVE_{name.upper()}"].split(".")[1]) + 27
        assert f"knative.dev/{name}@v0.{minor}." in text


def test_every_pin_is_used():
    texts = [
        path.read_text()
        for path in tracked(
            *("cluster", "knative", "argo-workflows", "*Dockerfile", ".github", "Taskfile.yml")
        )
        if path.name != "versions" and path.suffix not in (".md", ".png")
    ]
    for name, value in pins().items():
        named = re.compile(rf"\b{name}\b")
        assert any(value in text or named.search(text) for text in texts), f"nothing uses {name}"


class OneValue(yaml.SafeLoader):
    """A loader that refuses a key that appears twice; kustomize takes the last in silence."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"line {node.start_mark.line + 1}: a key appears twice"
        return super().construct_mapping(node, deep)


@pytest.mark.parametrize("path", manifests(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_key_of_a_manifest_appears_twice(path):
    for _ in yaml.load_all(path.read_text(), OneValue):
        pass


def test_a_key_that_appears_twice_is_found():
    with pytest.raises(AssertionError, match="line 1: a key appears twice"):
        yaml.load("components: [a]\ncomponents: [b]\n", OneValue)


def test_pins_of_addresses_contain_a_commit():
    for name, value in pins().items():
        if value.startswith("http"):
            assert re.search(r"\b[0-9a-f]{40}\b", value), name


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("  image: postgres:16", "postgres:16"),
        ("    version: 2.10.10", "2.10.10"),
        ("- image: registry.test/a@sha256:12", "registry.test/a@sha256:12"),
        ("  - {name: quay.io/argoproj/argoexec, newTag: v1}", "v1"),
        ("  - https://example.test/install.yaml", "https://example.test/install.yaml"),
        ("    chart: prometheus\n    targetRevision: 1.2.3", "prometheus@1.2.3"),
    ],
)
def test_reference_is_found_in_a_manifest(text, found):
    assert [reference for _, reference in in_manifest(text)] == [found]


@pytest.mark.parametrize(
    "text", ["image: tasador-flows", "  image: k3d-registry.localhost:5000/tasador-web:dev"]
)
def test_images_of_this_repository_are_no_pins(text):
    assert list(in_manifest(text)) == []


def test_base_images_are_found_in_a_dockerfile():
    text = "FROM a:1 AS build\nFROM --platform=x b:2\nFROM build\nFROM $BASE\n"
    assert list(in_dockerfile(text)) == [(1, "a:1"), (2, "b:2")]


@pytest.mark.parametrize(
    ("text", "message"),
    [("A = 1", "NAME=VALUE"), ("a=1", "NAME=VALUE"), ("A='1'", "NAME"), ("A=1\nA=2", "twice")],
)
def test_pins_refuse_what_a_shell_would_read_otherwise(tmp_path, text, message):
    file = tmp_path / "versions"
    file.write_text(text + "\n")
    with pytest.raises(ValueError, match=message):
        pins(file)


def test_a_shell_reads_the_same_pins(tmp_path):
    script = "set -eu; . ./cluster/versions; for n in $0; do eval echo \\$$n; done"
    done = subprocess.run(
        ["sh", "-c", script, " ".join(pins())], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == list(pins().values())


def test_comments_and_blank_lines_are_no_pins(tmp_path):
    file = Path(tmp_path / "versions")
    file.write_text("# A=1\n\nB=2\n")
    assert pins(file) == {"B": "2"}
