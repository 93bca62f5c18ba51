"""Reading back what was just written: whatever goes wrong there, the write stands.

    await client.put(...)
    with after_effect("customer C-1"):
        stored = await client.get(...)

A failure of the reading alone would say that nothing happened (Transient), or that somebody refused (Rejected,
Misconfigured). Whoever keeps books of effects would believe it, and an undo would then find nothing to take back.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from canonical.failures import Conflict, Failure, OutcomeUnknown


@contextmanager
def after_effect(what: str) -> Iterator[None]:
    """Turn a failure inside into OutcomeUnknown `read-back-failed`: the effect happened, its proof is missing.

    A Conflict passes: it was read that somebody else was there first.
    """
    try:
        yield
    except (OutcomeUnknown, Conflict):
        raise
    except Failure as failure:
        raise OutcomeUnknown(
            f"{what} was written and could not be read back: {failure.message}",
            code="read-back-failed",
            field=failure.field,
            fix=failure.fix,
            retry_after=failure.retry_after,
            # Without the status: the write itself was answered well.
            evidence={"read-back-code": failure.code, "read-back-kind": failure.kind.value},
        ) from failure
