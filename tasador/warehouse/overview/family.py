"""A metric that a query of the warehouse gives, and parts that several queries share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tasador.records.loop import PROMOTING


@dataclass(frozen=True, slots=True)
class Family:
    """One metric and its query, whose rows hold the values of the labels in their order, then the
    value.

    ``:model`` is the name of the registered model. A counter counts rows that are never deleted.
    """

    kind: Literal["gauge", "counter"]
    name: str
    help: str
    labels: tuple[str, ...]
    sql: str


def texts(values: tuple[str, ...]) -> str:
    """The values as a list in SQL."""
    return ", ".join(f"'{value}'" for value in values)


# What should serve, and what serves.
NEWEST = f"""
    select promotion, version, correlation_id, decided_at from ops.model_history
    where model_name = :model and decision in ({texts(PROMOTING)})
    order by promotion desc limit 1
"""
SERVING = """
    select distinct on (service) service, version, promotion, finished_at
    from ops.rollout_history
    where model_name = :model and outcome in ('serving', 'unchanged')
    order by service, rollout_id desc
"""
SERVICES = "(values ('predict'), ('explain')) as services(service)"
USABLE = "(refused_at is null or accepted_at is not null)"
SINCE = "extract(epoch from now() - {})"
