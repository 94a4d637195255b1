"""Take the next batch from the source, validate its rows, and store the clean ones.

python flows/ingest.py run
python flows/ingest.py card view end
"""

from typing import Any

from tasador.flowkit import main, prepare, say
from tasador.operations.steps import load_settings

if __name__ == "__main__":
    prepare()

from metaflow import FlowSpec, Parameter, card, current, retry, step


class IngestFlow(FlowSpec):
    """Ingest one batch.

    ``status`` is how it ended: ingested, repeated (the batch is known, nothing changed) or
    exhausted (the source has no more batches, which is not a failure).
    """

    source_url = Parameter("source-url", default="", help="Default: TASADOR_SOURCE_URL.")
    group = Parameter("group", default=0, type=int, help="Default: TASADOR_SOURCE_GROUP.")
    day = Parameter("day", default="", help="Default: TASADOR_SOURCE_DAY.")

    @retry(times=2, minutes_between_retries=0)
    @step
    def start(self) -> None:
        """Fetch a batch, store it, and publish its event.

        One step, so that the answer is decoded once. If it is killed, ops.batches says what the
        batch still needs.
        """
        from tasador.ingestion import verbs

        settings = load_settings()
        result = verbs.take(
            settings if self.source_url else settings.require("source_url"),
            self.source_url or settings.source_url,
            self.group or settings.source_group,
            self.day or settings.source_day,
            say,
        )
        say(result.message)
        self.status, self.message = result.status, result.message
        self.batch_id = result.batch.batch_id if result.batch else ""
        self.correlation_id = result.batch.correlation_id if result.batch else ""
        batch = result.batch
        self.events: list[dict[str, Any]] = []
        if result.status == "ingested":
            batch, event = verbs.complete(load_settings(self.correlation_id), self.batch_id, say)
            self.events = [event.structured()]
        self.batch = verbs.as_json(batch) if batch else None
        self.next(self.end)

    @card(type="blank")
    @retry(times=2, minutes_between_retries=0)
    @step
    def end(self) -> None:
        """Make the card: row counts, quarantine reasons, distributions."""
        from tasador.ingestion import card

        settings = load_settings(self.correlation_id)
        current.card.extend(card.sections(settings, self.batch_id, self.status, self.message))
        say(f"{self.status}: {self.message}")


if __name__ == "__main__":
    main(IngestFlow)
