"""Verbs that write to two systems, killed after each of their writes in turn.

The next call (a retry of the step, of the command, or reload's next check) completes what the
killed one began, and the end is the same as without the kill. Postgres, MLflow, the object store
and the broker are in memory here; tests/embedded kills the flows themselves.
"""

import ast
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tasador.drift import verbs as drift
from tasador.errors import RegistryError, RolloutError
from tasador.gate.decision import Decision
from tasador.model.model_ref import ModelRef
from tasador.monitoring import verbs as monitoring
from tasador.operations import dead_letters
from tasador.records.loop import APPROVER_DECISIONS, GATE_DECISIONS, DeadLetter
from tasador.rollout import approval, plan, rollback, service_rollout
from tasador.rollout import verbs as rollout
from tasador.settings import Settings
from tasador.stores.model_version import ModelVersion
from tasador.training import verbs as training
from tests.code.test_rollout_verbs import World as RolloutWorld
from tests.kit.checkout import ROOT
from tests.kit.records import (
    WHEN,
    make_batch,
    make_decision,
    make_drift_record,
    make_monitor_record,
)


class Killed(BaseException):
    """The process is gone. No handler of an Exception sees it, as with kill -9."""


@dataclass
class Systems:
    """What Postgres, MLflow and the broker hold. The process dies after write ``dies_after``."""

    decisions: list = field(default_factory=list)
    drifts: list = field(default_factory=list)
    checks: list = field(default_factory=list)
    versions: list = field(default_factory=list)
    champion: int = 0
    events: set = field(default_factory=set)
    closed: bool = False
    forced: int = 0
    signed: set = field(default_factory=set)
    # Dead letters, or the batch that is accepted.
    letters: list = field(default_factory=list)
    dies_after: int | None = None
    described: tuple[int, str] | None = None
    writes: int = 0

    def written(self):
        self.writes += 1
        if self.writes == self.dies_after:
            raise Killed

    # -- Postgres -------------------------------------------------------------------------------

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    @contextmanager
    def lock(self, name):
        yield

    def rollout_pause(self):
        return None

    def model_history(self, limit, name=""):
        return [d for d in self.decisions[::-1] if not name or d.model_name == name]

    def latest_promotion(self, name):
        return next((d for d in self.model_history(0, name) if d.promotes), None)

    def decision_of_training(self, training_id, kinds=GATE_DECISIONS):
        matches = (d for d in self.decisions if d.training_id == training_id)
        return next((d for d in matches if d.decision in kinds), None)

    def gate_decision(self, model):
        return next((d for d in self.decisions if d.model.key == model.key), None)

    def usable_batches(self):
        return []

    def batches(self, status):
        return []

    def record_decision(self, record):
        # reload may bring it into service at once.
        assert record.decision != "promoted" or record.version in self.signed
        kinds = APPROVER_DECISIONS if record.decision in APPROVER_DECISIONS else GATE_DECISIONS
        existing = self.decision_of_training(record.training_id, kinds)
        if existing is None or record.decision == "rolled_back":
            existing = replace(record, promotion=len(self.decisions) + 1)
            self.decisions.append(existing)
        self.written()
        return existing

    def request_samples(self, *_):
        return []

    def drift_history(self, limit, *, name):
        return self.drifts

    def batch(self, batch_id):
        return self.letters[0]

    def accept_batch(self, batch_id):
        self.letters[0] = replace(self.letters[0], accepted_at=WHEN)
        self.written()

    def record_drift(self, record):
        if not self.drifts:
            self.drifts.append(replace(record, drift_id=1))
        self.written()
        return self.drifts[0]

    def dead_letters(self):
        return list(self.letters)

    def mark_replayed(self, letter):
        self.letters.remove(letter)
        self.written()

    # -- MLflow ---------------------------------------------------------------------------------

    def version(self, number):
        for version in self.versions:
            if version.version == number:
                return version
        raise RegistryError(f"tasador-price has no version {number}")

    def holds(self, model):
        return any(version.model.key == model.key for version in self.versions)

    def aliased(self, alias):
        return next((v for v in self.versions if v.version == self.champion), None)

    def describe(self, decided, batch=""):
        self.described = (decided.promotion, decided.decision)
        self.written()

    def set_champion(self, promoted):
        self.champion = promoted.version
        self.written()

    def close_run(self, run_id):
        self.closed = True
        self.written()

    def champion_of(self, newest):
        return None if newest is None else ModelVersion.of_decision(newest)

    # -- the object store -----------------------------------------------------------------------

    def sign(self, model):
        self.signed.add(model.version)
        self.written()

    # -- the broker -----------------------------------------------------------------------------

    def announce(self, event, settings):
        self.events.add(event.id)
        self.written()

    def seen(self):
        """What a person or another process sees in the end."""
        return (
            [(d.promotion, d.version, d.decision) for d in self.decisions],
            len(self.drifts),
            self.champion,
            self.described,
            self.events,
            self.closed,
            self.signed,
            self.letters,
        )


SETTINGS = Settings(
    home=Path("/nowhere"),
    database_url="postgresql://",
    broker_url="http://broker",
    mlflow_url="http://mlflow",
    s3_endpoint="http://s3",
)


def decided(version, **changes):
    return make_decision(
        version=version,
        digest=f"d{version}",
        promotion=version,
        training_id=f"t{version}",
        champion_version=version - 1,
        **changes,
    )


def two_versions():
    decisions = [decided(1), decided(2)]
    return Systems(
        decisions=decisions,
        versions=[ModelVersion.of_decision(d) for d in decisions],
        champion=2,
    )


def patched(patch, module, systems, *names):
    for name in names:
        patch.setattr(module, name, lambda *_, **__: systems)
    patch.setattr(module, "announce", systems.announce, raising=False)


def roll_back(version):
    def verb(systems, patch):
        patched(patch, rollback, systems, "Warehouse", "Registry")
        patch.setattr(rollback, "check_readable", lambda *_: None)
        rollback.roll_back(SETTINGS, version)

    return verb


def waiting_version():
    """Version 2 serves, and version 3 waits for approval."""
    systems = two_versions()
    waiting = decided(3, decision="waiting", started_by="ana")
    systems.decisions.append(waiting)
    systems.versions.append(ModelVersion.of_decision(waiting))
    return systems


def approve(systems, patch):
    patched(patch, approval, systems, "Warehouse", "Registry")
    patch.setattr(rollback, "check_readable", lambda *_: None)
    approval.approve(SETTINGS, 3, "ben")


def decline(systems, patch):
    patched(patch, approval, systems, "Warehouse", "Registry")
    approval.decline(SETTINGS, 3, "ben", "no")


def judge(decision):
    """The train flow's last step, for version 3."""

    def verb(systems, patch):
        patched(patch, training, systems, "Warehouse", "Registry")
        lake = SimpleNamespace(load_bundle=lambda model, **_: "a bundle")
        patch.setattr(training, "Lake", lambda settings: lake)
        patch.setattr(training, "sign_bundle", lambda _settings, _lake, model: systems.sign(model))
        patch.setattr(training, "judged_rows", lambda *_: "rows")
        patch.setattr(
            "tasador.training.evaluation.evaluate", lambda *_: SimpleNamespace(metrics={})
        )
        made = Decision(decision == "promoted", ["so"], [])
        patch.setattr(training, "judge_challenger", lambda *_, **__: made)
        # Registry.champion takes the newest promotion.
        systems_champion = systems.champion_of
        proxy = _Proxy(systems, champion=systems_champion)
        patch.setattr(training, "Registry", lambda settings: proxy)
        planned = training.Plan(training_id="t3", correlation_id="c", batch_ids=("b1",), rows=1)
        model = ModelRef("tasador-price", 3, "d3", "s3://mlflow/3/bundle", correlation_id="c")
        training.judge(SETTINGS, planned, training.Candidate(model=model, run_id="r3"))

    return verb


class _Proxy:
    """The systems as a Registry, whose ``champion`` is a method."""

    def __init__(self, systems, **methods):
        self._systems = systems
        self.__dict__.update(methods)

    def __getattr__(self, name):
        return getattr(self._systems, name)


def judge_batch(systems, patch):
    patched(patch, drift, systems, "Warehouse")
    batch = SimpleNamespace(batch_id="b1")
    case = drift.Case(batch=batch, champion=None, correlation_id="c")
    report = SimpleNamespace(verdict="train", reasons=["so"], scores={})
    drift.publish(SETTINGS, drift.record(SETTINGS, case, report))


def refused_batch():
    return Systems(letters=[make_batch(status="ready", ready_at=WHEN, refused_at=WHEN)])


def accept(systems, patch):
    patched(patch, drift, systems, "Warehouse")
    drift.accept(SETTINGS, "b1")


def replay(systems, patch):
    patch.setattr(dead_letters, "Warehouse", lambda url: systems)

    def send(kind, url, headers, body):
        systems.events.add(headers["ce-id"])
        systems.written()

    patch.setattr(dead_letters.publish, "send", send)
    dead_letters.replay(SETTINGS)


def letters():
    return Systems(
        letters=[
            DeadLetter(
                subscriber="record",
                source="s",
                event_id=id_,
                attributes={"id": id_, "type": "x"},
                content_type="",
                body=b"",
                status=500,
                reason="down",
            )
            for id_ in ("1", "2")
        ]
    )


VERBS = {
    "rollback": (two_versions, roll_back(None)),
    "rollback to a version": (two_versions, roll_back(1)),
    "train, promoted": (two_versions, judge("promoted")),
    "train, rejected": (two_versions, judge("rejected")),
    "approve": (waiting_version, approve),
    "decline": (waiting_version, decline),
    "drift": (Systems, judge_batch),
    "batch accept": (refused_batch, accept),
    "dead-letters replay": (letters, replay),
}


@pytest.mark.parametrize("name", VERBS)
def test_verb_killed_after_each_write_is_completed_by_the_next_call(name):
    begin, verb = VERBS[name]
    undisturbed = begin()
    with pytest.MonkeyPatch.context() as patch:
        verb(undisturbed, patch)
    assert undisturbed.writes > 1, "it writes to one system only"
    for number in range(1, undisturbed.writes + 1):
        systems = replace(begin(), dies_after=number)
        with pytest.MonkeyPatch.context() as patch:
            with pytest.raises(Killed):
                verb(systems, patch)
            if systems.seen() != undisturbed.seen():
                verb(systems, patch)
        assert systems.seen() == undisturbed.seen(), f"{name} killed after write {number}"


def test_failed_check_records_nothing():
    """MLflow lacks version 1, or its bundle is gone: the history stays as it was."""
    for broken in ("registry", "bundle", "other digest"):
        systems = two_versions()
        with pytest.MonkeyPatch.context() as patch:
            patched(patch, rollback, systems, "Warehouse", "Registry")
            patch.setattr(rollback, "check_readable", lambda *_: None)
            if broken == "registry":
                del systems.versions[0]
            elif broken == "bundle":

                def lost(*_):
                    raise RegistryError("model.ubj does not exist")

                patch.setattr(rollback, "check_readable", lost)
            else:
                systems.versions[0] = replace(systems.versions[0], digest="another")
            with pytest.raises((RegistryError, RolloutError)):
                rollback.roll_back(SETTINGS, 1)
        assert systems.writes == 0, broken
        assert len(systems.decisions) == 2


class KilledPlatform:
    """A platform whose caller dies after one of its writes."""

    def __init__(self, world, dies_after):
        self.world, self.dies_after, self.writes = world, dies_after, 0
        for name in ("create", "direct", "delete"):
            self._wrap(world.platform, name)
        self._wrap(world.records, "record_rollout")

    def _wrap(self, target, name):
        write = getattr(target, name)

        def counted(*args):
            done = write(*args)
            self.writes += 1
            if self.writes == self.dies_after:
                raise Killed
            return done

        setattr(target, name, counted)


def test_rollout_killed_after_each_write_is_completed_by_reconcile(tmp_path, monkeypatch):
    monkeypatch.setattr(rollout, "fetch_bundle", lambda uri, *_: Path(uri))
    monkeypatch.setattr(rollout, "golden_of", lambda _: [{"listing": {}, "price": 1.0}])
    monkeypatch.setattr(service_rollout, "smoke_test", lambda *_: "passed")
    counting = KilledPlatform(_world(tmp_path), None)
    counting.world.rollout.reconcile()
    assert counting.writes > 8
    for number in range(1, counting.writes + 1):
        world = _world(tmp_path)
        KilledPlatform(world, number)
        with pytest.raises(Killed):
            world.rollout.reconcile()
        for _ in range(3):
            world.rollout.reconcile()
        assert world.traffic() == (("00002", 100, ""),), number
        served = {r.service for r in world.records.rollouts if r.promotion == 2}
        assert served == set(plan.SERVICES), number
        rows = len(world.records.rollouts)
        assert world.rollout.reconcile() == []
        assert len(world.records.rollouts) == rows


def _world(home):
    """Promotion 1 serves, and 2 is to take its place."""
    world = RolloutWorld(home)
    world.serve(1)
    world.promote(2, version=2)
    return world


def test_monitoring_record_finds_the_existing_check(monkeypatch):
    """A check that was recorded and not announced is announced by the repeated step."""
    recorded = make_monitor_record(monitor_id=4)
    announced = []
    monkeypatch.setattr(monitoring, "announce", lambda event, _: announced.append(event.id))
    for _ in range(2):
        monitoring.publish(SETTINGS, recorded)
    assert announced == ["monitor-4", "monitor-4"]
    assert np.isfinite(recorded.champion_version)
    assert make_drift_record().champion.key == ("tasador-price", 1, "d1")


# The modules that write to two of Postgres, MLflow, the object store, the broker and the platform,
# and the rows of the table in docs/architecture.md that describe their verbs.
ROWS = {
    "drift/verbs.py": ("drift", "batch accept"),
    "dossier/verbs.py": ("train: dossier",),
    "ingestion/stores.py": ("ingest",),
    "ingestion/verbs.py": ("ingest",),
    "monitoring/verbs.py": ("monitor",),
    "operations/backup/create.py": ("backup",),
    "operations/backup/restore.py": ("restore",),
    "operations/dead_letters.py": ("dead-letters replay",),
    "operations/lake_table.py": ("lake sync",),
    "operations/provision.py": ("provision, `tasador up`",),
    "operations/retention.py": ("db prune",),
    "rollout/pause.py": ("rollout resume",),
    "rollout/approval.py": ("approve, decline",),
    "rollout/rollback.py": ("rollback",),
    "rollout/shadow.py": ("rollout shadow, `--stop`",),
    "rollout/verbs.py": ("reload",),
    "scoring/verbs.py": ("score",),
    "training/verbs.py": ("train: fit", "train: judge"),
}
# Their names in an import. ModelVersion and the like only read.
SYSTEMS = (
    *("Warehouse", "Databases", "Registry", "Lake", "Buckets", "announce", "publish", "Backend"),
)
# They read two systems, and write to one or to none.
READERS = {
    "cli/loop.py",
    "cli/models.py",
    "ingestion/card.py",
    "operations/consistency.py",
    "operations/doctor.py",
    "operations/ratio_study.py",
    "operations/signing.py",
    "training/inputs.py",
}


def test_each_module_of_two_systems_is_in_the_table():
    """A new verb that writes to two systems belongs in the table, and in a kill test."""
    modules = set()
    for path in (ROOT / "tasador").rglob("*.py"):
        name = path.relative_to(ROOT / "tasador").as_posix()
        imported = {
            alias.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        if len(imported & set(SYSTEMS)) > 1:
            modules.add(name)
    assert modules - READERS == set(ROWS)
    table = (ROOT / "docs" / "architecture.md").read_text()
    for row in (row for rows in ROWS.values() for row in rows):
        assert f"\n| {row} |" in table, row
