"""The train flow on the real platform: one decision per training, the dossier, rollbacks.

The first three tests share one registered model, and run in this order.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tasador.dossier import verbs
from tasador.dossier.names import PAGE
from tasador.errors import RolloutError, SignatureError
from tasador.machine.environment import whoami
from tasador.model.signature import SIGNATURE
from tasador.operations.signing import sign_versions
from tasador.rollout import rollback
from tasador.stores.bundles import check_readable
from tasador.stores.lake import Lake, split
from tasador.stores.mlmodel import MLMODEL
from tasador.stores.model_version import ModelVersion
from tasador.stores.registry import CHAMPION, PREVIOUS, Registry
from tasador.warehouse.warehouse import Warehouse
from tests.kit.broker import recording_broker
from tests.kit.flows import Flow, artifacts, card_text
from tests.kit.ingestion import own_database
from tests.kit.training import history, ready_to_train

# Both trainings.
RUN = ("run", "--trials", "2")


@pytest.fixture(scope="module")
def settings(platform):
    with ready_to_train(platform) as own:
        yield own


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Metaflow's datastore of both trainings."""
    return tmp_path_factory.mktemp("trainings")


def test_failed_dossier_keeps_the_decision(settings, folder, tmp_path, checkout, monkeypatch):
    # An image without the package that writes SBOMs.
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "cyclonedx.py").write_text("raise ImportError('no cyclonedx here')\n")
    run_id = tmp_path / "run-id"
    with recording_broker() as (broker, published), monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(broken))
        own = settings._replace(broker_url=broker)
        run = (*RUN, "--run-id-file", str(run_id))
        code, output = Flow("train", own, folder, checkout, *run).end()
    assert code == 0, output
    (decided,) = history(settings)
    assert published == [("tasador.model.promoted", f"decision-{decided.promotion}")]
    assert Registry(settings).aliased(CHAMPION).version == decided.version
    assert "its dossier failed" in output
    assert "no dossier" in dossier(settings, tmp_path, code=1)
    # Once the cause is fixed, only this step is repeated.
    again = ("resume", "dossier", "--origin-run-id", run_id.read_text())
    code, output = Flow("train", settings, folder, checkout, *again).end()
    assert code == 0, output
    assert len(history(settings)) == 1
    assert f"@{decided.version}" in dossier(settings, tmp_path)


@pytest.mark.filterwarnings("ignore:The _yaml extension module:DeprecationWarning")
def test_train_flow_rejects_the_equal_of_the_model_that_it_promoted(
    settings, folder, tmp_path, checkout, monkeypatch
):
    from mlflow import MlflowClient  # imported for seconds

    with recording_broker() as (broker, published):
        own = settings._replace(broker_url=broker)
        code, output = Flow("train", own, folder, checkout, *RUN).end()
        assert code == 0, output
    first, second = history(settings)
    assert (first.decision, second.decision) == ("promoted", "rejected")
    # The person who starts a training cannot approve it, nor can root, whom Metaflow does not name.
    assert first.started_by == second.started_by == whoami()
    assert (first.champion_version, second.champion_version) == (0, first.version)
    assert published == [("tasador.model.rejected", f"decision-{second.promotion}")]
    # The same data and seed give the same model under another version.
    assert first.digest == second.digest
    registry = Registry(settings)
    champion = registry.aliased(CHAMPION)
    assert (champion.version, champion.digest) == (first.version, first.digest)
    lake = Lake(settings)
    assert lake.exists(champion.reference_uri)
    assert lake.exists(f"{champion.uri}/{MLMODEL}")
    # Only the promotion is signed, and a cluster loads only what is signed.
    assert lake.exists(f"{champion.uri}/{SIGNATURE}")
    assert not lake.exists(f"{registry.version(second.version).uri}/{SIGNATURE}")
    strict = settings._replace(platform="cluster")
    check_readable(champion.uri, champion.digest, strict)
    lake.put_bytes(*split(f"{champion.uri}/{SIGNATURE}"), b"{}")
    with pytest.raises(SignatureError, match="cannot be read"):
        check_readable(champion.uri, champion.digest, strict)
    assert sign_versions(settings) == [(first.model, "")]
    check_readable(champion.uri, champion.digest, strict)
    with pytest.raises(RolloutError, match=f"no version {second.version}"):
        sign_versions(settings, second.version)
    failed = [c["name"] for c in second.checks if not c["passed"]]
    assert failed == ["better_than_champion"]
    assert "predicts the same price for every row" in second.reasons[0]

    data = artifacts("TrainFlow", folder, monkeypatch)
    assert (data.decision, data.version) == ("rejected", second.version)
    assert data.events[0]["correlationid"] == second.correlation_id
    assert second.reasons[0] in card_text("train", "judge", folder, checkout)
    children = MlflowClient(settings.mlflow_url).search_runs(
        [registry._experiment()], f"tags.mlflow.parentRunId = '{second.run_id}'"
    )
    assert len(children) == 2
    assert all("max_depth" in child.data.params for child in children)

    # Each version has a dossier next to its bundle, among the artifacts of its run.
    assert "# " + f"{second.model_name}@{second.version}" in card_text(
        "train", "dossier", folder, checkout
    )
    for decided in (first, second):
        listed = httpx.get(
            f"{settings.mlflow_url}/api/2.0/mlflow/artifacts/list",
            params={"run_id": decided.run_id, "path": "dossier"},
        ).json()
        assert "dossier/README.md" in {file["path"] for file in listed["files"]}
        index = json.loads(dossier(settings, tmp_path, str(decided.version), "--json"))
        assert (index["decision"], index["digest"]) == (decided.decision, decided.digest)
        stored = Path(index["folder"])
        for name, digest in index["files"].items():
            assert hashlib.sha256((stored / name).read_bytes()).hexdigest() == digest
        assert json.loads((stored / "gate.json").read_bytes())["checks"] == decided.checks
        metrics = json.loads((stored / "metrics.json").read_bytes())["by_what_is_known"]["all rows"]
        assert metrics == pytest.approx(decided.metrics)
        left_out = json.loads((stored / "leave-out.json").read_bytes())
        assert len(left_out["rotations"]) == settings.dossier_rotations == 2
        readme = (stored / "README.md").read_text()
        linked = set(re.findall(r"\]\(([^)]+)\)", readme))
        assert linked == set(index["files"]) - {"README.md"} | {"dossier.json"}
        # The web app finds it by the decision.
        uri = ModelVersion.of_decision(decided).dossier_uri
        found = verbs.find_stored(settings, uri, decided.digest)
        assert found.read(PAGE, settings) == (stored / PAGE).read_bytes()
    # The default is the champion's dossier; --out chooses the folder.
    output = dossier(settings, tmp_path, "--out", str(tmp_path / "mine"))
    assert f"{first.model_name}@{first.version}" in output
    assert "When not to use it" in output
    assert (tmp_path / "mine" / "sbom-serving.cdx.json").is_file()
    mine = ("--out", str(tmp_path / "mine"))
    assert dossier(settings, tmp_path, *mine) == output
    refused = dossier(settings, tmp_path, str(second.version), *mine, code=1)
    assert f"mine holds the dossier of {first.model_name}@{first.version}: name another" in refused


def dossier(settings, folder, *arguments, code=0):
    """What `tasador dossier` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tasador", "dossier", *arguments],
        cwd=folder,
        env={**os.environ, **settings.as_environ()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def test_rollback_promotes_an_older_version(settings):
    _, rejected = history(settings)
    # The second model equals the first and is rejected, so there is nothing to go back to.
    assert rejected.decision == "rejected"
    with pytest.raises(RolloutError, match="there is no one before it"):
        rollback.roll_back(settings)
    with pytest.raises(RolloutError, match="was rejected"):
        rollback.roll_back(settings, rejected.version)
    with pytest.raises(RolloutError, match="there is no version 99"):
        rollback.roll_back(settings, 99)
    # Two champions, as if the second had been better.
    with Warehouse(settings.database_url) as warehouse:
        second = warehouse.record_decision(
            replace(rejected, decision="promoted", training_id="better", promotion=None)
        )
    registry = Registry(settings)
    registry.set_champion(second)
    # An unavailable broker does not undo the decision: a failed command would be repeated.
    record, announce_error = rollback.roll_back(settings._replace(broker_url="http://127.0.0.1:9/"))
    assert "http://127.0.0.1:9/ did not take it" in announce_error
    assert (record.version, record.decision, record.champion_version) == (1, "rolled_back", 2)
    assert record.promotion > second.promotion
    assert registry.aliased(CHAMPION).version == 1
    assert registry.aliased(PREVIOUS).version == 2
    with Warehouse(settings.database_url) as warehouse:
        assert warehouse.latest_promotion(settings.model_name) == record
    with pytest.raises(RolloutError, match="is the one in service already"):
        rollback.roll_back(settings, 1)
    with recording_broker() as (broker, published):
        forth, announce_error = rollback.roll_back(settings._replace(broker_url=broker))
    assert (forth.version, announce_error) == (2, "")
    assert published == [("tasador.model.promoted", f"decision-{forth.promotion}")]
    # An invalid address does not undo it either.
    back, announce_error = rollback.roll_back(settings._replace(broker_url="nowhere"))
    assert (back.version, "'nowhere' is not an http(s) URL" in announce_error) == (1, True)


def test_train_flow_without_a_batch(platform, tmp_path, checkout):
    with own_database(platform) as empty:
        code, output = Flow("train", empty, tmp_path, checkout, "run").end()
    assert code != 0
    assert "no batch has been ingested yet" in output
