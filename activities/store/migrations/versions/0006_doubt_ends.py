"""Since when a lost try may land, so that a doubt can end."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("effect", sa.Column("doubt_real", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("effect", "doubt_real")
