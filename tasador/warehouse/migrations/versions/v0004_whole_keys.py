"""Name the champion of a verdict, a check and a decision by its digest too, not by number alone."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NEW_KEYS = """
alter table ops.model_history add column champion_digest text not null default '';
alter table ops.monitor_history add column champion_digest text not null default '';
alter table ops.drift_history add column model_name text not null default '';
alter table ops.drift_history add column champion_digest text not null default '';

update ops.model_history as made set champion_digest = coalesce((
    select champion.digest from ops.model_history as champion
    where champion.model_name = made.model_name and champion.version = made.champion_version
      and champion.decision <> 'rejected' and champion.promotion < made.promotion
    order by champion.promotion desc limit 1), '');
update ops.monitor_history as made set champion_digest = coalesce((
    select champion.digest from ops.model_history as champion
    where champion.model_name = made.model_name and champion.version = made.champion_version
      and champion.decision <> 'rejected' and champion.decided_at <= made.looked_at
    order by champion.promotion desc limit 1), '');
update ops.drift_history as made set (model_name, champion_digest) = (
    select coalesce(max(found.model_name), ''), coalesce(max(found.digest), '') from (
        select champion.model_name, champion.digest from ops.model_history as champion
        where champion.version = made.champion_version
          and champion.decision <> 'rejected' and champion.decided_at <= made.decided_at
        order by champion.promotion desc limit 1) as found);

drop index ops.drift_once;
create unique index drift_once
    on ops.drift_history (batch_id, model_name, champion_version, champion_digest);
drop index ops.look_once;
create unique index look_once
    on ops.monitor_history (model_name, champion_version, champion_digest, window_to);
"""

_OLD_KEYS = """
drop index ops.drift_once;
delete from ops.drift_history as later using ops.drift_history as first
    where later.batch_id = first.batch_id and later.champion_version = first.champion_version
      and later.drift_id > first.drift_id;
create unique index drift_once on ops.drift_history (batch_id, champion_version);
drop index ops.look_once;
delete from ops.monitor_history as later using ops.monitor_history as first
    where later.model_name = first.model_name and later.champion_version = first.champion_version
      and later.window_to = first.window_to and later.monitor_id > first.monitor_id;
create unique index look_once
    on ops.monitor_history (model_name, champion_version, window_to);
alter table ops.drift_history drop column champion_digest;
alter table ops.drift_history drop column model_name;
alter table ops.monitor_history drop column champion_digest;
alter table ops.model_history drop column champion_digest;
"""


def upgrade() -> None:
    """Add the columns, fill them from the decisions, and make them part of the keys."""
    op.execute(_NEW_KEYS)


def downgrade() -> None:
    """Go back to the number alone; of rows that differ only in the new columns the first stays."""
    op.execute(_OLD_KEYS)
