"""One batch ingested and a separate registered model, ready to train."""

import uuid
from contextlib import contextmanager

from tasador.stores.lake import Lake
from tasador.training import verbs
from tasador.warehouse.warehouse import Warehouse
from tests.kit.broker import recording_broker
from tests.kit.ingestion import Source, ingest_all, own_database
from tests.kit.listings import raw_batches

BATCHES = raw_batches(1, rows=1_500)


@contextmanager
def ready_to_train(platform):
    """A separate database, registered model and broker, with one batch ingested.

    Its dossiers train two models without half of the states, not four.
    """
    with own_database(platform) as own, recording_broker() as (broker, _):
        name = f"test-{uuid.uuid4().hex[:8]}"
        own = own._replace(model_name=name, broker_url=broker, dossier_rotations=2)
        Lake(own).ensure_buckets()
        with Source(BATCHES).serving() as source:
            ingest_all(own, source.url)
        yield own


def history(settings):
    with Warehouse(settings.database_url) as warehouse:
        return list(reversed(warehouse.model_history()))


def trials_of(settings, training_id):
    import optuna  # imported for half a second

    study = optuna.load_study(study_name=training_id, storage=verbs.study_storage(settings))
    return [t for t in study.trials if t.state.is_finished() and t.state.name != "FAIL"]
