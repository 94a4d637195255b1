"""The warehouse: everything that Tasador stores in Postgres."""

from __future__ import annotations

from tasador.warehouse.accounts import Accounts
from tasador.warehouse.batches import Batches
from tasador.warehouse.consistency import Consistency
from tasador.warehouse.dead_letters import DeadLetters
from tasador.warehouse.distributions import Distributions
from tasador.warehouse.histories import Histories
from tasador.warehouse.pauses import Pauses
from tasador.warehouse.predictions import Predictions
from tasador.warehouse.retention import Retention
from tasador.warehouse.reviews import Reviews
from tasador.warehouse.shadows import Shadows


class Warehouse(
    Accounts,
    Batches,
    Consistency,
    Distributions,
    Histories,
    Pauses,
    Predictions,
    Retention,
    Reviews,
    Shadows,
    DeadLetters,
):
    """The platform's Postgres database.

    Every write is one transaction and may be repeated safely. Every method may raise
    StoreUnavailable.
    """
