"""The effect ledger, the cross references and the maps."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE SEQUENCE effect_holder AS integer CYCLE")
    op.create_table(
        "effect",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("doubt", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("holder", sa.BigInteger(), nullable=True),
        sa.Column("vendor", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("correlation_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("vendor_ref", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("before_void", sa.Text(), nullable=True),
        sa.Column("first_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_real", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_real", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "changed_real", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.CheckConstraint(
            "state IN ('intent', 'sent', 'done', 'not_done', 'uncertain', 'void')", name="effect_state"
        ),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("effect_by_correlation", "effect", ["correlation_id"], unique=False)
    op.create_index(
        "effect_open",
        "effect",
        ["state"],
        unique=False,
        postgresql_where=sa.text("state IN ('intent', 'sent', 'uncertain')"),
    )
    op.create_table(
        "xref",
        sa.Column("canonical_type", sa.Text(), nullable=False),
        sa.Column("canonical_id", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("external_type", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("canonical_type", "canonical_id", "system", "external_type"),
        sa.UniqueConstraint("system", "external_type", "external_id", name="xref_external"),
    )
    op.create_index("xref_by_external_id", "xref", ["external_id"], unique=False)
    op.create_index("xref_by_id", "xref", ["canonical_id"], unique=False)
    op.create_table(
        "mapping_version",
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('draft', 'active', 'retired')", name="mapping_state"),
        sa.PrimaryKeyConstraint("vendor", "version"),
    )
    op.create_index(
        "mapping_active",
        "mapping_version",
        ["vendor"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "mapping",
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("vendor", "version", "kind", "code"),
    )


def downgrade() -> None:
    op.execute("DROP SEQUENCE effect_holder")
    op.drop_table("mapping")
    op.drop_table("mapping_version")
    op.drop_table("xref")
    op.drop_table("effect")
