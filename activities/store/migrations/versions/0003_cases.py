"""What waits for a person."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "exception_case",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("assignee", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("customer_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("entity", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("case_id"),
    )
    op.create_index("case_by_correlation", "exception_case", ["correlation_id"], unique=False)
    op.create_index("case_by_workflow", "exception_case", ["workflow_id"], unique=False)
    op.create_index(
        "case_open",
        "exception_case",
        ["owner", "since"],
        unique=False,
        postgresql_where=sa.text("state IN ('open', 'in-progress')"),
    )
    op.create_table(
        "case_note",
        sa.Column("note_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["exception_case.case_id"],
        ),
        sa.PrimaryKeyConstraint("note_id"),
    )
    op.create_index("case_note_by_case", "case_note", ["case_id", "note_id"], unique=False)


def downgrade() -> None:
    op.drop_table("case_note")
    op.drop_table("exception_case")
