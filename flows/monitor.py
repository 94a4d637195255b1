"""Check the champion's recent requests; request training if they hurt it.

python flows/monitor.py run
python flows/monitor.py card view judge
"""

from tasador.flowkit import main, prepare, say
from tasador.operations.steps import load_settings
from tasador.records.loop import MonitorRecord

if __name__ == "__main__":
    prepare()

from metaflow import FlowSpec, card, current, resources, retry, schedule, step


@schedule(hourly=True)
class MonitorFlow(FlowSpec):
    """Choose, check, record: a check is recorded once, and one cause requests training once."""

    @retry(times=2, minutes_between_retries=0)
    @step
    def start(self) -> None:
        """Choose the champion and the window of its requests; both stay fixed for this run."""
        from tasador.monitoring import verbs

        self.case = verbs.choose(load_settings())
        self.correlation_id = self.case.correlation_id if self.case else ""
        self.next(self.judge)

    @card(type="blank")
    @retry(times=2, minutes_between_retries=0)
    @resources(cpu=0.5, memory=2048)
    @step
    def judge(self) -> None:
        """Judge drift, errors and latency, record them in ops.monitor_history, make the card."""
        from tasador.monitoring import card as monitor_card
        from tasador.monitoring import verbs

        settings = load_settings(self.correlation_id)
        self.recorded: MonitorRecord | None = None
        if self.case is None:
            current.card.extend(monitor_card.no_champion())
        else:
            result = verbs.check(settings, self.case, say)
            self.recorded = verbs.record(settings, self.case, result)
            current.card.extend(monitor_card.sections(settings, self.recorded, result))
        self.next(self.end)

    @retry(times=2, minutes_between_retries=0)
    @step
    def end(self) -> None:
        """Publish an event if training is requested; draw the week's sample for reviewers."""
        from tasador.monitoring import verbs
        from tasador.operations.reviews import draw_weekly

        settings = load_settings(self.correlation_id)
        recorded = self.recorded
        published = [] if recorded is None else verbs.publish(settings, recorded)
        self.events = [event.structured() for event in published]
        self.verdict, self.reasons, self.request_reason = verbs.summary(recorded)
        say(f"{self.verdict}: {'; '.join(filter(None, [*self.reasons, self.request_reason]))}")
        if waiting := [review for review in draw_weekly(settings) if review.verdict is None]:
            say(f"{len(waiting)} predictions of {waiting[0].week} wait for a reviewer's verdict")


if __name__ == "__main__":
    main(MonitorFlow)
