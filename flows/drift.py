"""Compare the newest batch with the champion's training data; request training if it moved.

python flows/drift.py run
python flows/drift.py card view judge
"""

from tasador.flowkit import main, prepare, say
from tasador.operations.steps import load_settings

if __name__ == "__main__":
    prepare()

from metaflow import FlowSpec, Parameter, card, current, resources, retry, step, trigger


@trigger(
    event={
        "name": "tasador.batch.ingested",
        "parameters": {"correlation-id": "correlation_id", "batch-id": "batch_id"},
    }
)
class DriftFlow(FlowSpec):
    """Choose, judge, record. Each batch and champion get one verdict."""

    # Parameters are read-only. The artifacts batch_id and correlation_id hold what was chosen.
    requested_batch = Parameter("batch-id", default="", help="Default: the newest ready batch.")
    requested_correlation = Parameter(
        "correlation-id", default="", help="Default: that of the batch."
    )

    @retry(times=2, minutes_between_retries=0)
    @step
    def start(self) -> None:
        """Choose the batch, and the champion to judge it against."""
        from tasador.drift import verbs

        self.case = verbs.choose(load_settings(), self.requested_batch, self.requested_correlation)
        self.batch_id = self.case.batch.batch_id
        self.correlation_id = self.case.correlation_id
        self.next(self.judge)

    @card(type="blank")
    @retry(times=2, minutes_between_retries=0)
    @resources(cpu=0.5, memory=2048)
    @step
    def judge(self) -> None:
        """Run NannyML's detectors, record the verdict in ops.drift_history, make the card."""
        from tasador.drift import card as drift_card
        from tasador.drift import verbs

        settings = load_settings(self.correlation_id)
        report = verbs.judge(settings, self.case, say)
        self.recorded = verbs.record(settings, self.case, report)
        current.card.extend(drift_card.sections(self.case, report))
        self.next(self.end)

    @retry(times=2, minutes_between_retries=0)
    @step
    def end(self) -> None:
        """Publish an event if the verdict requests training."""
        from tasador.drift import verbs

        settings = load_settings(self.correlation_id)
        self.events = [event.structured() for event in verbs.publish(settings, self.recorded)]
        self.verdict, self.reasons = self.recorded.verdict, self.recorded.reasons
        self.moved, self.hurts = self.recorded.moved, self.recorded.hurts
        say(f"{self.verdict}: {'; '.join(self.reasons)}")


if __name__ == "__main__":
    main(DriftFlow)
