"""indexes from use

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "indexes",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("expression", sa.Text(), nullable=False),
        sa.Column("whole", sa.Text(), nullable=True),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("used_at", _MOMENT, nullable=False),
        sa.Column("state", sa.Text(), server_default="noted", nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("worker", sa.Uuid(), nullable=True),
        sa.Column("wait_until", _MOMENT, nullable=True),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("form IN ('asc', 'desc', 'trigram')", name=op.f("ck_indexes_form")),
        sa.CheckConstraint("state IN ('noted', 'building', 'ready', 'refused')", name=op.f("ck_indexes_state")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["sheaf.workspaces.id"], name=op.f("fk_indexes_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "digest", name=op.f("pk_indexes")),
        schema="sheaf",
    )
    op.create_index(op.f("ix_indexes_workspace_id"), "indexes", ["workspace_id"], schema="sheaf")


def downgrade() -> None:
    op.drop_index(op.f("ix_indexes_workspace_id"), table_name="indexes", schema="sheaf")
    op.drop_table("indexes", schema="sheaf")
