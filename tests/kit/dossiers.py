"""What the dossier of a small trained model is written from."""

import numpy as np

from tasador.dossier.facts import Facts
from tasador.drift.baseline import learn_baseline
from tasador.drift.reference import make_reference
from tasador.gate.checks import judge
from tasador.listings.table import columns_of
from tasador.training.evaluation import evaluate
from tests.kit.models import QUICK
from tests.kit.records import make_batch, make_decision


def facts_of(market, trained, *, version=3, rotations=2):
    """The facts of a bundle trained on the market, with the gate's decision on it."""
    held = market["holdout"].to_numpy(dtype=bool)
    out_of_sample = np.full(len(market), np.nan)
    out_of_sample[held] = trained.predict(columns_of(market[held])).price
    reference = make_reference(market, out_of_sample)
    decision = judge(evaluate(trained, market), None)
    record = make_decision(
        version=version,
        champion_version=0,
        digest=trained.manifest.digest,
        reasons=decision.reasons,
        checks=[check.as_dict() for check in decision.checks],
        metrics=dict(trained.manifest.metrics),
    )
    return Facts(
        bundle=trained,
        record=record,
        batches=[make_batch(rows_raw=6_000, rows_clean=len(market))],
        frame=market,
        holdout=market[held],
        reference=reference,
        baseline=learn_baseline(reference),
        params=QUICK.params,
        rotations=rotations,
    )
