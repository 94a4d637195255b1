"""The catalog of the Iceberg table of clean listings, in the form of Iceberg's JDBC catalog."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_UPGRADE = """
create schema if not exists lake;
comment on schema lake is 'The catalog of the Iceberg tables; engines read it as a JDBC catalog.';

create table lake.iceberg_tables (
    catalog_name varchar(255) not null,
    table_namespace varchar(255) not null,
    table_name varchar(255) not null,
    metadata_location varchar(1000),
    previous_metadata_location varchar(1000),
    iceberg_type varchar(5),
    primary key (catalog_name, table_namespace, table_name)
);

create table lake.iceberg_namespace_properties (
    catalog_name varchar(255) not null,
    namespace varchar(255) not null,
    property_key varchar(255) not null,
    property_value varchar(1000) not null,
    primary key (catalog_name, namespace, property_key)
);
"""


def upgrade() -> None:
    """Create the tables; `tasador lake sync` fills them."""
    op.execute(_UPGRADE)


def downgrade() -> None:
    """Drop them; the data files and their metadata stay in the object store."""
    op.execute("drop table lake.iceberg_namespace_properties, lake.iceberg_tables")
