"""Runs the queries of all families in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from tasador.warehouse.database import Database
from tasador.warehouse.overview.family import Family
from tasador.warehouse.overview.figures import ANSWERS, DATA, DATABASE, MODELS
from tasador.warehouse.overview.promotions import ROLLOUTS
from tasador.warehouse.overview.stages import STAGES

# A scrape must not hold up the warehouse (milliseconds).
_TIMEOUT = "set local statement_timeout = 5000"

FAMILIES = (*ROLLOUTS, *STAGES, *DATA, *MODELS, *ANSWERS, *DATABASE)


@dataclass(frozen=True, slots=True)
class Measured:
    """The values of one family, by the values of its labels."""

    family: Family
    values: list[tuple[tuple[str, ...], float]]


class Overview(Database):
    """Reads the families, all of them in one transaction."""

    def measure(self, families: tuple[Family, ...], model_name: str) -> list[Measured]:
        """The values of each family; raises StoreUnavailable."""
        with self._begin() as connection:
            connection.execute(text("set transaction isolation level repeatable read read only"))
            connection.execute(text(_TIMEOUT))
            return [
                Measured(
                    family,
                    [
                        (tuple(str(label) for label in row[:-1]), float(row[-1]))
                        for row in connection.execute(text(family.sql), {"model": model_name})
                    ],
                )
                for family in families
            ]
