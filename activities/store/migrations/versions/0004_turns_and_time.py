"""Who may run now: activations, turns, leases, paused adapters and the business clock."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "activation",
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("quote_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("again", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('live', 'completed', 'unwound', 'cancelled')", name="activation_state"),
        sa.PrimaryKeyConstraint("workflow_id"),
        sa.UniqueConstraint("quote_id", "revision", "again", name="activation_edition"),
    )
    op.create_index("activation_by_start", "activation", ["started_at"], unique=False)
    op.create_index(
        "activation_one_per_quote",
        "activation",
        ["quote_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('live', 'completed')"),
    )
    op.create_table(
        "account_turn",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("queue", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_table(
        "lease",
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("token", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "expires_at", sa.DateTime(timezone=True), server_default=sa.text("'-infinity'"), nullable=False
        ),
        sa.PrimaryKeyConstraint("vendor", "slot"),
    )
    op.create_table(
        "connector_state",
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('running', 'paused', 'draining')", name="connector_state_known"),
        sa.PrimaryKeyConstraint("vendor"),
    )
    op.create_table(
        "clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("now", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "business_wait",
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("wait_id", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "wait_id"),
    )
    op.create_index("business_wait_due", "business_wait", ["due_at"], unique=False)
    op.create_table(
        "watch_cursor",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    op.drop_table("watch_cursor")
    op.drop_table("business_wait")
    op.drop_table("clock")
    op.drop_table("connector_state")
    op.drop_table("lease")
    op.drop_table("account_turn")
    op.drop_table("activation")
