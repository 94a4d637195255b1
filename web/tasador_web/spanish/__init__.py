"""The Spanish texts: the English text, and what it is. {Placeholders} are the same in both.

Texts that the valuation report has too come from its catalogue.
tests/code/test_web_spanish.py finds texts without an entry, and entries that nothing uses.
"""

from __future__ import annotations

from tasador.valuation.spanish import SPANISH as VALUATION
from tasador_web.spanish.batch import BATCH
from tasador_web.spanish.frame import ERRORS, FRAME
from tasador_web.spanish.market import FEATURES, MARKET
from tasador_web.spanish.models import ACTIONS, CHECKS, MEASURES, MODELS
from tasador_web.spanish.pipeline import PIPELINE
from tasador_web.spanish.predictions import LINEAGE, PREDICTIONS
from tasador_web.spanish.prices import COMPARABLES, COMPARE, ESTIMATE, FORM, REASONS
from tasador_web.spanish.service import ACTIVITY, SERVICE
from tasador_web.spanish.sign_in import SIGN_IN

SPANISH = {
    **VALUATION,
    **FRAME,
    **ERRORS,
    **FORM,
    **ESTIMATE,
    **REASONS,
    **COMPARABLES,
    **COMPARE,
    **BATCH,
    **PREDICTIONS,
    **LINEAGE,
    **SIGN_IN,
    **MODELS,
    **MEASURES,
    **ACTIONS,
    **CHECKS,
    **MARKET,
    **FEATURES,
    **PIPELINE,
    **SERVICE,
    **ACTIVITY,
}
