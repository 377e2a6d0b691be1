"""owners: origins of keys, disabled users, described and deleted workspaces, shared secrets

Revision ID: 0006
Revises: 0005
"""

import secrets

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_SECRET_BYTES = 32
_REVOKE = """
UPDATE sheaf.api_keys k SET revoked_at = now() FROM sheaf.users u
WHERE u.id = k.user_id AND k.revoked_at IS NULL AND (k.origin = 'presented' OR u.disabled_at IS NOT NULL)
"""
_PART = """
DELETE FROM sheaf.memberships m USING sheaf.workspaces w WHERE w.id = m.workspace_id AND w.deleted_at IS NOT NULL
"""


def upgrade() -> None:
    op.add_column("users", sa.Column("disabled_at", _MOMENT), schema="sheaf")
    op.add_column("api_keys", sa.Column("origin", sa.Text(), server_default="issued", nullable=False), schema="sheaf")
    op.create_check_constraint(
        op.f("ck_api_keys_origin"), "api_keys", "origin IN ('issued', 'bootstrap', 'presented')", schema="sheaf"
    )
    for column in (
        sa.Column("description", sa.Text()),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", _MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("deleted_at", _MOMENT),
    ):
        op.add_column("workspaces", column, schema="sheaf")
    for column in (
        sa.Column("created_at", _MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("invited", sa.Boolean(), server_default=sa.false(), nullable=False),
    ):
        op.add_column("memberships", column, schema="sheaf")
    _tell_workspaces_of_answers()
    table = op.create_table(
        "secrets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
        schema="sheaf",
    )
    op.bulk_insert(table, [{"name": "cursors", "value": secrets.token_bytes(_SECRET_BYTES)}])


def _tell_workspaces_of_answers() -> None:
    op.add_column("idempotency", sa.Column("workspace_id", sa.Uuid()), schema="sheaf")
    op.create_foreign_key(
        op.f("fk_idempotency_workspace_id"),
        "idempotency",
        "workspaces",
        ["workspace_id"],
        ["id"],
        source_schema="sheaf",
        referent_schema="sheaf",
        ondelete="CASCADE",
    )
    op.create_index(op.f("ix_idempotency_workspace_id"), "idempotency", ["workspace_id"], schema="sheaf")


def downgrade() -> None:
    """Whoever lost the right to something by what goes here has no right to it afterwards, either."""
    for statement in (_REVOKE, _PART):
        op.execute(statement)
    op.drop_table("secrets", schema="sheaf")
    op.drop_index(op.f("ix_idempotency_workspace_id"), table_name="idempotency", schema="sheaf")
    op.drop_constraint(op.f("fk_idempotency_workspace_id"), "idempotency", schema="sheaf")
    op.drop_column("idempotency", "workspace_id", schema="sheaf")
    for name in ("invited", "created_at"):
        op.drop_column("memberships", name, schema="sheaf")
    for name in ("deleted_at", "updated_at", "revision", "description"):
        op.drop_column("workspaces", name, schema="sheaf")
    op.drop_constraint(op.f("ck_api_keys_origin"), "api_keys", schema="sheaf")
    op.drop_column("api_keys", "origin", schema="sheaf")
    op.drop_column("users", "disabled_at", schema="sheaf")
