"""The ingest schedule; runs last, since the new batch may lead to a new model."""

import time

import pytest

from tests.cluster.test_loop import SOURCE
from tests.kit import cluster as kit

pytestmark = pytest.mark.timeout(900)


# The batches that the source has answered with, in order.
FETCHED = (
    f"answers = warehouse.fetches({SOURCE!r}, settings.source_group, settings.source_day)\n"
    "report([answer.batch_id for answer in answers if answer.batch_id])"
)


def schedule(**spec):
    """Change the schedule of ingest."""
    kit.patch("cronworkflow", "ingest-schedule", {"spec": spec})


@kit.long
def test_scheduled_ingest_fetches_the_next_batch(loop, measured):
    before = kit.python(FETCHED)
    runs = len(kit.workflows("ingestflow"))
    # An installation sets this in its overlay.
    kit.patch("secret", "tasador-endpoints", {"stringData": {"TASADOR_SOURCE_URL": SOURCE}})
    began = time.monotonic()
    schedule(suspend=False, schedules=["* * * * *"])
    try:
        kit.until("a run by the clock", lambda: kit.workflows("ingestflow")[runs:], 150)
    finally:
        schedule(suspend=True)
    kit.until("its end", lambda: kit.finished(kit.workflows("ingestflow")[-1]), 400)
    measured["ingest by its schedule (each minute), first batch in"] = (
        f"{time.monotonic() - began:.0f} s"
    )
    # One that the cluster knows, if the source was started again: then it is not stored twice.
    (fetched,) = kit.python(FETCHED)[len(before) :]
    ready = kit.python("report([b.batch_id for b in warehouse.batches(status='ready')])")
    assert ready.count(fetched) == 1
