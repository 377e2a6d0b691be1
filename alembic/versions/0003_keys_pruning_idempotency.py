"""keys, pruning, idempotency

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa

from alembic import op
from backend.repositories.migrate import workspace_schemas

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ADD = """
    ALTER TABLE "{0}".datasets ADD COLUMN IF NOT EXISTS key text,
        ADD COLUMN IF NOT EXISTS keep_versions integer, ADD COLUMN IF NOT EXISTS keep_days integer;
    ALTER TABLE "{0}".versions ADD COLUMN IF NOT EXISTS swept boolean NOT NULL DEFAULT false,
        ADD COLUMN IF NOT EXISTS pruned_at timestamp with time zone
"""
_DROP = """
    ALTER TABLE "{0}".datasets DROP COLUMN IF EXISTS key,
        DROP COLUMN IF EXISTS keep_versions, DROP COLUMN IF EXISTS keep_days;
    ALTER TABLE "{0}".versions DROP COLUMN IF EXISTS swept, DROP COLUMN IF EXISTS pruned_at
"""


def upgrade() -> None:
    op.create_table(
        "idempotency",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Uuid(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["sheaf.users.id"], name=op.f("fk_idempotency_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "method", "path", "key", name=op.f("pk_idempotency")),
        schema="sheaf",
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"], unique=False, schema="sheaf")
    _in_each_workspace(_ADD)


def downgrade() -> None:
    _in_each_workspace(_DROP)
    op.drop_index("ix_idempotency_created_at", table_name="idempotency", schema="sheaf")
    op.drop_table("idempotency", schema="sheaf")


def _in_each_workspace(statements: str) -> None:
    for schema in workspace_schemas(op.get_bind()):
        op.execute(statements.format(schema))
