"""People who sign in to the web app: accounts, sessions, wrong passwords, and what people did."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TABLES = """
create table ops.accounts (
    name text primary key,
    role text not null check (role in ('viewer', 'operator')),
    password_hash text not null,
    created_by text not null,
    created_at timestamptz not null,
    password_set_at timestamptz not null
);
create table ops.account_sessions (
    token_digest text primary key,
    name text not null references ops.accounts (name) on delete cascade,
    began_at timestamptz not null,
    expires_at timestamptz not null
);
create index sessions_of_account on ops.account_sessions (name);
create table ops.sign_in_failures (
    key text primary key,
    failures integer not null,
    last_at timestamptz not null
);
create table ops.actions (
    action_id bigint generated always as identity primary key,
    actor text not null,
    role text not null,
    channel text not null check (channel in ('web', 'cli')),
    action text not null,
    target text not null,
    note text not null,
    begun_at timestamptz not null,
    finished_at timestamptz,
    outcome text not null check (outcome in ('', 'done', 'failed', 'refused')),
    detail text not null,
    check ((outcome = '') = (finished_at is null))
);
"""
_DROP = """
drop table ops.actions, ops.sign_in_failures, ops.account_sessions, ops.accounts;
"""


def upgrade() -> None:
    """Make the tables; nobody can sign in yet."""
    op.execute(_TABLES)


def downgrade() -> None:
    """Drop them with all that they hold."""
    op.execute(_DROP)
