"""Train a challenger on all clean data, compare it with the champion, promote or reject it.

python flows/train.py run --trials 12
python flows/train.py run --trials 48 --tasks 4
python flows/train.py card view judge
python flows/train.py card view dossier
"""

from typing import Any

from tasador.flowkit import by_process, main, person, prepare, report_progress, say
from tasador.operations.steps import load_settings

if __name__ == "__main__":
    prepare()

from metaflow import FlowSpec, Parameter, card, catch, current, resources, retry, step, trigger


# drift.detected is sent under this name too: see ARGO_EVENTS in tasador/events/event.py.
@trigger(
    event={
        "name": "tasador.training.requested",
        "parameters": {"correlation-id": "correlation_id", "batch-id": "batch_id"},
    }
)
class TrainFlow(FlowSpec):
    """Plan, search, fit, judge, dossier. Each step may be killed and resumed.

    The search is a foreach whose tasks share the trials of one Optuna study in Postgres. On one
    machine they are threads of one process, which share its rows.
    """

    trials = Parameter("trials", default=12, type=int, help="Trials of the search.")
    budget_seconds = Parameter(
        "budget-seconds", default=1800.0, help="No trial starts after this many seconds."
    )
    tasks = Parameter(
        "tasks",
        default=0,
        type=int,
        help="Tasks that share the trials of the search: pods of a cluster, or threads of one "
        "process. Default: TASADOR_SEARCH_TASKS.",
    )
    seed = Parameter(
        "seed",
        default=0,
        type=int,
        help="The same seed, data and number of tasks give the same model.",
    )
    batch_id = Parameter(
        "batch-id", default="", help="The batch that requested training; recorded with the run."
    )
    correlation_id = Parameter(
        "correlation-id", default="", help="Default: that of the newest batch."
    )

    started_by = Parameter(
        "started-by", default="", help="Who starts the training; default: you, or an event."
    )

    @resources(cpu=0.5, memory=2048)
    @step
    def start(self) -> None:
        """Choose the data, and create the training id that all later steps use.

        What several processes of the search need is computed here, once.
        """
        from tasador.training.search_options import SearchOptions
        from tasador.training.verbs import encode, plan

        settings = load_settings()
        self.options = SearchOptions(
            trials=self.trials,
            seed=self.seed,
            budget_seconds=self.budget_seconds,
            tasks=min(self.tasks or settings.search_tasks, max(self.trials, 1)),
        )
        # Metaflow sets ``trigger`` only in runs that an event started.
        by_event = getattr(current, "trigger", None) is not None
        started_by = self.started_by or ("event" if by_event else person(current.username))
        self.planned = plan(settings, self.correlation_id, started_by)
        self.processes = by_process(self.options.tasks)
        if self.options.tasks > 1:
            kind = "threads" if len(self.processes) == 1 else "processes"
            say(f"{self.options.tasks} tasks share the search, as {kind}")
        self.views = None
        if len(self.processes) > 1:
            self.views = encode(settings, self.planned, self.options, progress=report_progress)
        self.next(self.search, foreach="processes")

    @retry(times=2, minutes_between_retries=0)
    @resources(cpu=0.5, memory=2048)
    @step
    def search(self) -> None:
        """Run trials of the Optuna study, which is stored in Postgres."""
        from dataclasses import replace

        from tasador.training import verbs

        self.search_result = verbs.search(
            load_settings(self.planned.correlation_id),
            self.planned,
            replace(self.options, own=self.input),
            views=self.views,
            progress=report_progress,
        )
        self.next(self.fit)

    @retry(times=2, minutes_between_retries=0)
    @resources(cpu=0.5, memory=2048)
    @step
    def fit(self, inputs: Any) -> None:
        """Fit the model and register it, with its bundle and drift reference in S3."""
        from tasador.training import verbs

        self.planned = inputs[0].planned
        # The process that ended last knows all trials.
        self.search_result = max(
            (each.search_result for each in inputs), key=lambda result: len(result.trials)
        )
        self.candidate = verbs.fit(
            load_settings(self.planned.correlation_id),
            self.planned,
            self.search_result,
            seed=self.seed,
            progress=report_progress,
        )
        self.next(self.judge)

    @card(type="blank")
    @retry(times=2, minutes_between_retries=0)
    @resources(cpu=0.5, memory=2048)
    @step
    def judge(self) -> None:
        """Run the gate: promote or reject, record every number, publish the event."""
        from tasador.training import card, verbs

        judgement = verbs.judge(
            load_settings(self.planned.correlation_id), self.planned, self.candidate
        )
        current.card.extend(card.sections(judgement, self.search_result))
        record = judgement.record
        self.decision, self.reasons = record.decision, record.reasons
        self.version, self.promotion = record.version, record.promotion
        self.metrics, self.events = record.metrics, [judgement.event.structured()]
        self.next(self.dossier)

    # The decision is published by now. A dossier that fails must not fail the run.
    @card(type="blank")
    @catch(var="dossier_failed")
    @retry(times=1, minutes_between_retries=0)
    @resources(cpu=0.5, memory=2048)
    @step
    def dossier(self) -> None:
        """Write the release dossier: model card, data contract, SBOM, licences."""
        from tasador.dossier.blocks import to_card
        from tasador.dossier.verbs import write

        written = write(
            load_settings(self.planned.correlation_id),
            self.planned,
            self.version,
            self.search_result.params,
            progress=report_progress,
        )
        current.card.extend(to_card(written.card))
        self.dossier_uri = written.uri
        self.next(self.end)

    @step
    def end(self) -> None:
        """Log the result."""
        load_settings(self.planned.correlation_id)
        say(f"version {self.version} {self.decision}: {'; '.join(self.reasons)}")
        if self.dossier_failed:
            say(f"its dossier failed: {self.dossier_failed}")
        else:
            say(f"its dossier is at {self.dossier_uri}")


if __name__ == "__main__":
    main(TrainFlow)
