"""indexes from use may be by several columns

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_SEVERAL = (
    "DELETE FROM sheaf.indexes WHERE following <> '{}'"
    " RETURNING format('ws_%s.xu_%s_%s', replace(workspace_id::text, '-', ''), replace(store::text, '-', ''), digest)"
)


def upgrade() -> None:
    further = sa.Column("following", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False)
    op.add_column("indexes", further, schema="sheaf")


def downgrade() -> None:
    """Takes away those that the version before knows nothing of, which nobody would ever drop."""
    for (name,) in op.get_bind().exec_driver_sql(_SEVERAL).fetchall():
        op.execute(f"DROP INDEX IF EXISTS {name}")
        op.execute(f"DROP STATISTICS IF EXISTS {name}_st")
    op.drop_column("indexes", "following", schema="sheaf")
