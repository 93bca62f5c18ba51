"""The statements of the effect ledger: one round trip each."""

# The intent. `fresh` tells the one who made the row from those who find it.
BEGIN = """
WITH made AS (
    INSERT INTO effect (key, fingerprint, state, holder, first_sent_at, sent_at, sent_real, vendor, correlation_id,
                        tries)
    VALUES ($1, $2, $3::text, $4, $5, $5, now(), $6, $7, CASE $3::text WHEN 'sent' THEN 1 ELSE 0 END)
    ON CONFLICT (key) DO NOTHING RETURNING *
)
SELECT true AS fresh, made.* FROM made
UNION ALL
SELECT false AS fresh, effect.* FROM effect WHERE key = $1 AND NOT EXISTS (SELECT FROM made)
"""

READ = "SELECT false AS fresh, effect.* FROM effect WHERE key = $1"

# Takes the row over for one more try, if it is still as it was when we looked. $8: the try before it is lost, and may
# still land; since when is kept.
RESEND = """
UPDATE effect SET state = 'sent', holder = $2, generation = $3, doubt = $5, tries = tries + 1, sent_at = $4,
    doubt_real = CASE WHEN $8 THEN sent_real ELSE doubt_real END,
    first_sent_at = CASE WHEN tries = 0 OR generation <> $3 THEN $4 ELSE first_sent_at END,
    sent_real = now(), changed_real = now()
WHERE key = $1 AND state = $6 AND tries = $7 RETURNING tries
"""

# A doubt ends with a definite 'not done' once the lost try was sent before $5: nothing of it can land any more.
MARK = """
UPDATE effect SET state = $2, failure = $4, changed_real = now(),
    doubt = (doubt OR $3) AND NOT ($2::text = 'not_done' AND doubt_real IS NOT NULL AND doubt_real < $5),
    doubt_real = CASE WHEN $3 THEN sent_real ELSE doubt_real END
WHERE key = $1 AND state IN ('sent', 'uncertain')
"""

# The mark, the cross references and the events stand or fall together. The chain comes last, so that its lock is short
# and nobody waits for a reference while holding it. A part that nobody reads would run after it: the condition does.
DONE = """
WITH done AS (
    UPDATE effect SET state = 'done', doubt = false, result = $2, vendor_ref = $3, failure = NULL, changed_real = now()
    WHERE key = $1 AND state IN ('sent', 'uncertain', 'not_done') RETURNING key
), joined AS (
    INSERT INTO xref (canonical_type, canonical_id, system, external_type, external_id, entity)
    SELECT x.* FROM unnest($4::text[],$5::text[],$6::text[],$7::text[],$8::text[],$9::text[]) x, done RETURNING 1
)
SELECT done.key, CASE WHEN (SELECT count(*) FROM joined) >= 0 AND cardinality($10::text[]) > 0
    THEN event_append($10::text[],$11::text[],$12::text[],$13::text[],$14::text[],$15::timestamptz[],$16::text[])
END FROM done
"""

# The tombstone, unless somebody who lives is at it: $2 is our own number, $3 the moment before which a try is lost,
# $4 the class of the holders' locks.
VOID = """
INSERT INTO effect AS e (key, fingerprint, state, before_void) VALUES ($1, '', 'void', 'absent')
ON CONFLICT (key) DO UPDATE SET
    before_void = CASE e.state WHEN 'void' THEN e.before_void ELSE e.state END,
    state = 'void', changed_real = now()
WHERE e.state NOT IN ('intent', 'sent') OR e.holder IS NULL OR e.holder = $2 OR e.sent_real < $3
    OR pg_try_advisory_xact_lock_shared($4, e.holder::int)
RETURNING before_void, tries, result, doubt OR before_void IN ('sent', 'uncertain') AS doubt
"""

ENTRY = """
SELECT key, state, generation, tries, vendor, vendor_ref, correlation_id, sent_at, sent_real, failure, result, doubt
FROM effect WHERE key = $1
"""

ENTRIES = """
SELECT key, state, generation, tries, vendor, vendor_ref, correlation_id, sent_at, sent_real, failure, result, doubt
FROM effect WHERE starts_with(key, $1) ORDER BY created_real, key
"""

OPEN = """
SELECT key, state, generation, tries, vendor, vendor_ref, correlation_id, sent_at, sent_real, failure, result, doubt
FROM effect WHERE state IN ('intent', 'sent', 'uncertain') ORDER BY created_real, key LIMIT $1
"""
