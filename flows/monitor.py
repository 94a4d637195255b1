"""Look at what was asked of the champion; ask for training where it hurts.

python flows/monitor.py run
python flows/monitor.py card view judge
"""

from metaflow import FlowSpec, card, current, resources, retry, schedule, step

from tasador.flowkit import load_settings, main, say


@schedule(hourly=True)
class MonitorFlow(FlowSpec):
    """Choose, look, record: a look is recorded once, and one cause asks for training once."""

    @retry(times=2, minutes_between_retries=0)
    @step
    def start(self):
        """The champion, and the time in which it was asked; both stay for this run."""
        from tasador.monitoring import verbs

        self.case = verbs.choose(load_settings())
        self.correlation_id = self.case.correlation_id if self.case else ""
        self.next(self.judge)

    @card(type="blank")
    @retry(times=2, minutes_between_retries=0)
    @resources(cpu=0.5, memory=2048)
    @step
    def judge(self):
        """Drift, estimated and realised error, latency, into ops.monitor_history; the card."""
        from tasador.monitoring import card as monitor_card
        from tasador.monitoring import verbs

        settings = load_settings(self.correlation_id)
        self.recorded = None
        if self.case is None:
            current.card.extend(monitor_card.nothing())
        else:
            found = verbs.look(settings, self.case, say)
            self.recorded = verbs.record(settings, self.case, found)
            current.card.extend(monitor_card.sections(settings, self.recorded, found))
        self.next(self.end)

    @retry(times=2, minutes_between_retries=0)
    @step
    def end(self):
        """Tell the broker where training is asked for."""
        from tasador.monitoring import verbs

        settings = load_settings(self.correlation_id)
        found = self.recorded
        told = [] if found is None else verbs.tell(settings, found)
        self.events = [event.structured() for event in told]
        self.verdict, self.reasons, self.asked_says = verbs.in_words(found)
        say(f"{self.verdict}: {'; '.join(filter(None, [*self.reasons, self.asked_says]))}")


if __name__ == "__main__":
    main(MonitorFlow)
