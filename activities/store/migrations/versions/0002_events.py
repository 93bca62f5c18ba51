"""The chain of events, which can only grow."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# Appends one record after the other; a record whose id is known already is left out, so that a repeat changes nothing.
# The update of the head's only row makes appenders take turns, and holds until their transaction ends: append last.
APPEND = """
CREATE FUNCTION event_append(
    ids text[], types text[], subjects text[], correlations text[], entities text[], times timestamptz[], records text[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    link record;
BEGIN
    SELECT seq, hash INTO link FROM event_head WHERE id = 1 FOR UPDATE;
    FOR i IN 1 .. coalesce(array_length(ids, 1), 0) LOOP
        CONTINUE WHEN EXISTS (SELECT FROM event WHERE id = ids[i]);
        link.seq := link.seq + 1;
        link.hash := sha256(link.hash || convert_to(records[i], 'UTF8'));
        INSERT INTO event (seq, id, type, subject, correlation_id, entity, time, record, hash)
        VALUES (link.seq, ids[i], types[i], subjects[i], correlations[i], entities[i], times[i], records[i], link.hash);
    END LOOP;
    UPDATE event_head SET seq = link.seq, hash = link.hash WHERE id = 1;
    RETURN link.seq;
END $$
"""

FROZEN = """
CREATE FUNCTION event_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the table % can only grow', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("event_by_correlation", "event", ["correlation_id", "seq"], unique=False)
    op.create_index("event_by_subject", "event", ["subject", "seq"], unique=False)
    op.create_index("event_by_type", "event", ["type", "seq"], unique=False)
    op.create_table(
        "event_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "event_anchor",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.execute("INSERT INTO event_head (id, seq, hash) VALUES (1, 0, sha256(''))")
    op.execute(APPEND)
    op.execute(FROZEN)
    for table in ("event", "event_anchor"):
        op.execute(
            f"CREATE TRIGGER {table}_frozen BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION event_frozen()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION event_frozen()"
        )


def downgrade() -> None:
    op.execute("DROP FUNCTION event_append(text[], text[], text[], text[], text[], timestamptz[], text[])")
    op.drop_table("event_anchor")
    op.drop_table("event_head")
    op.drop_table("event")
    op.execute("DROP FUNCTION event_frozen()")
