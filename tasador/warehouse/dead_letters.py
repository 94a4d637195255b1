"""Dead letters: events that could not be delivered."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert as upsert

from tasador.clock import now
from tasador.records.loop import DeadLetter
from tasador.warehouse import schema
from tasador.warehouse.database import Database, values_of


class DeadLetters(Database):
    """ops.dead_letters."""

    def save_dead_letter(self, letter: DeadLetter) -> None:
        """Store an undelivered event; one that fails again after a replay is pending again."""
        table = schema.dead_letters
        values = values_of(table, letter)
        key = ("subscriber", "source", "event_id")
        adding = upsert(table).values(values)
        with self._begin() as connection:
            connection.execute(adding.on_conflict_do_update(index_elements=key, set_=values))

    def dead_letters(self) -> list[DeadLetter]:
        """The events that are still undelivered, oldest first."""
        c = schema.dead_letters.c
        order = [c.given_up_at, c.letter_id]
        return self._select(DeadLetter, schema.dead_letters, c.replayed_at.is_(None), order=order)

    def mark_replayed(self, letter: DeadLetter) -> None:
        """Record that the event was delivered, unless it has failed again in the meantime."""
        table = schema.dead_letters
        same = (table.c.letter_id == letter.letter_id, table.c.given_up_at == letter.given_up_at)
        with self._begin() as connection:
            connection.execute(update(table).where(*same).values(replayed_at=now()))
