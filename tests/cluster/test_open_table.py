"""The Iceberg table of clean listings: its job on a cluster adds all files (docs/scale.md)."""

import json
import os
import re

import pytest

from tests.cluster.test_rollout import served  # noqa: F401
from tests.cluster.test_when_the_cluster_is_lost import completed
from tests.kit import cluster as kit

pytestmark = [pytest.mark.timeout(900), kit.long]

COMPONENT = kit.ROOT / "cluster" / "components" / "iceberg"
# What ``tasador lake sync`` prints.
SYNCED = re.compile(r"([\d,]+) files added: clean.listings has ([\d,]+) rows in ([\d,]+) files")


def test_the_job_adds_the_file_of_every_batch_once(served, measured, tmp_path):  # noqa: F811
    kit.kubectl("apply", "-k", str(overlay(tmp_path / "overlay")))
    try:
        (added, rows, files), seconds = synced("lake-sync-first")
        batches = kit.python("report([b.rows_clean for b in warehouse.batches(status='ready')])")
        assert added > 0
        assert (rows, files) == (sum(batches), len(batches))
        measured["the Iceberg table on the cluster"] = f"{seconds:.0f} s for {rows:,} rows"
        assert synced("lake-sync-second")[0] == (0, rows, files)
    finally:
        kit.kubectl("-n", kit.NAMESPACE, "delete", "cronjob", "lake-sync")


def synced(job):
    """The counts that a run of the CronJob prints, and its seconds."""
    create = ("create", "job", "--from=cronjob/lake-sync", job)
    kit.kubectl("-n", kit.NAMESPACE, *create)
    seconds = completed(job)
    printed = SYNCED.search(log := kit.kubectl("-n", kit.NAMESPACE, "logs", f"job/{job}"))
    assert printed, log
    return tuple(int(number.replace(",", "")) for number in printed.groups()), seconds


def overlay(folder):
    """The component with the image that the cluster has."""
    folder.mkdir()
    name, _, tag = kit.flows_image().rpartition(":")
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "components": [os.path.relpath(COMPONENT, folder.resolve())],
        "images": [{"name": "tasador-flows", "newName": name, "newTag": tag}],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization))
    return folder
