"""Price a CSV or Parquet file of any size by a registered version; prices are Parquet in S3.

python flows/score.py run --listings listings.csv.gz --key id
python flows/score.py run --listings s3://bucket/listings.parquet --tasks 20 --record on
python flows/score.py card view join
"""

from typing import Any

from tasador.flowkit import main, prepare, say
from tasador.operations.steps import load_settings

if __name__ == "__main__":
    prepare()

from metaflow import FlowSpec, Parameter, card, current, resources, retry, step


class ScoreFlow(FlowSpec):
    """Cut, price each part, join. Started again after a kill, it prices only the missing parts."""

    listings = Parameter(
        "listings", default="", help="A path, or s3://BUCKET/KEY: .csv, .csv.gz, .zip, .parquet."
    )
    version = Parameter("version", default=0, type=int, help="Default: the newest promotion.")
    key = Parameter("key", default="", help="Columns to copy, separated by commas.")
    record = Parameter(
        "record",
        default="",
        help="on: also into raw.inference_logs; off. Default: TASADOR_SCORE_RECORDING.",
    )
    tasks = Parameter("tasks", default=4, type=int, help="How many tasks price the parts.")
    part_bytes = Parameter(
        "part-bytes", default=24_000_000, type=int, help="How large a part of the file is."
    )

    @retry(times=2, minutes_between_retries=0)
    @step
    def start(self) -> None:
        """Choose the version, and cut the file into parts in the object store."""
        from tasador.scoring import verbs

        self.job = verbs.plan(
            load_settings(),
            self.listings,
            version=self.version,
            keys=[name for name in self.key.split(",") if name],
            record=self.record,
            part_bytes=self.part_bytes,
            say=say,
        )
        self.groups = self.job.groups(self.tasks)
        self.next(self.price, foreach="groups")

    @retry(times=2, minutes_between_retries=0)
    @resources(cpu=0.5, memory=1024)
    @step
    def price(self) -> None:
        """Price some of the parts."""
        from tasador.scoring import verbs

        settings = load_settings(self.job.model.correlation_id)
        self.scored = verbs.price(settings, self.job, self.input, say)
        self.next(self.join)

    @card(type="blank")
    @retry(times=2, minutes_between_retries=0)
    @step
    def join(self, inputs: Any) -> None:
        """Add up what was priced, and make the card."""
        from tasador.scoring import card as score_card
        from tasador.scoring import verbs

        self.job = inputs[0].job
        settings = load_settings(self.job.model.correlation_id)
        scored = [each for one in inputs for each in one.scored]
        self.whole = verbs.finish(settings, self.job, scored)
        current.card.extend(score_card.sections(settings, self.job, self.whole))
        self.prices = verbs.uri_of(settings, self.job)
        self.next(self.end)

    @step
    def end(self) -> None:
        """Log the result."""
        load_settings(self.job.model.correlation_id)
        say(f"{self.whole.priced:,} rows priced by {self.job.model}: {self.prices}")


if __name__ == "__main__":
    main(ScoreFlow)
