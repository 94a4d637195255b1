"""Judge the newest batch against the champion's training data; ask for training where it moved.

python flows/drift.py run
python flows/drift.py card view judge
"""

from metaflow import FlowSpec, Parameter, card, current, resources, retry, step, trigger

from tasador.flowkit import load_settings, main, say


@trigger(
    event={
        "name": "tasador.batch.ingested",
        "parameters": {"correlation-id": "correlation_id", "batch-id": "batch_id"},
    }
)
class DriftFlow(FlowSpec):
    """Choose, judge, record: a verdict is recorded once for a batch and a champion."""

    # A parameter cannot be changed, and what the run is about are artifacts: batch_id and so on.
    asked_batch = Parameter("batch-id", default="", help="Default: the newest that is ready.")
    asked_correlation = Parameter("correlation-id", default="", help="Default: the batch's.")

    @retry(times=2, minutes_between_retries=0)
    @step
    def start(self):
        """The batch, and the champion that it is judged against."""
        from tasador.drift import verbs

        self.case = verbs.choose(load_settings(), self.asked_batch, self.asked_correlation)
        self.batch_id = self.case.batch.batch_id
        self.correlation_id = self.case.correlation_id
        self.next(self.judge)

    @card(type="blank")
    @retry(times=2, minutes_between_retries=0)
    @resources(cpu=0.5, memory=2048)
    @step
    def judge(self):
        """NannyML's detectors, the verdict by effect size, into ops.drift_history; the card."""
        from tasador.drift import card as drift_card
        from tasador.drift import verbs

        settings = load_settings(self.correlation_id)
        report = verbs.judge(settings, self.case, say)
        self.recorded = verbs.record(settings, self.case, report)
        current.card.extend(drift_card.sections(self.case, report))
        self.next(self.end)

    @retry(times=2, minutes_between_retries=0)
    @step
    def end(self):
        """Tell the broker where the verdict calls for training."""
        from tasador.drift import verbs

        settings = load_settings(self.correlation_id)
        self.events = [event.structured() for event in verbs.publish(settings, self.recorded)]
        self.verdict, self.reasons = self.recorded.verdict, self.recorded.reasons
        self.moved, self.hurts = self.recorded.moved, self.recorded.hurts
        say(f"{self.verdict}: {'; '.join(self.reasons)}")


if __name__ == "__main__":
    main(DriftFlow)
