"""Their error codes, our failure kinds. The code decides and not the status, which varies for the same code."""

from typing import Any

from canonical.failures import Failure, Kind
from connectors.kit.answer import Answer
from connectors.kit.errors import ErrorTable, Rule

HALTED = "PROCESSING_HALTED"

TABLE = ErrorTable(
    "salesforce",
    (
        Rule(kind=Kind.TRANSIENT, code="UNABLE_TO_LOCK_ROW", name="row-locked"),
        Rule(kind=Kind.TRANSIENT, message="UNABLE_TO_LOCK_ROW", name="row-locked"),
        Rule(
            kind=Kind.TRANSIENT, code="REQUEST_LIMIT_EXCEEDED", message="Concurrent", name="concurrency-limit"
        ),
        Rule(
            kind=Kind.TRANSIENT,
            code="REQUEST_LIMIT_EXCEEDED",
            name="daily-limit",
            fix="the org's API calls of the last 24 hours are used up: find who uses them, or buy more",
        ),
        Rule(kind=Kind.TRANSIENT, code="QUERY_TIMEOUT|SERVER_UNAVAILABLE", name="unavailable"),
        Rule(kind=Kind.TRANSIENT, code="INVALID_QUERY_LOCATOR", name="page-cursor-lost"),
        Rule(kind=Kind.TRANSIENT, code=HALTED, name="halted"),
        Rule(kind=Kind.CONFLICT, status=412, name="record-changed", fix="read the record again"),
        Rule(
            kind=Kind.CONFLICT,
            status=300,
            name="external-id-not-unique",
            fix="merge the records with that key",
        ),
        Rule(kind=Kind.CONFLICT, code="DUPLICATE_VALUE|DUPLICATES_DETECTED", name="duplicate"),
        Rule(
            kind=Kind.MISCONFIGURED,
            code="ENTITY_IS_LOCKED",
            name="record-locked-by-approval",
            fix="finish the approval process, or let the integration user edit locked records",
        ),
        Rule(
            kind=Kind.MISCONFIGURED,
            code="INVALID_FIELD|INVALID_TYPE|INVALID_FIELD_FOR_INSERT_UPDATE",
            name="field-missing",
            fix="deploy the field, or give the integration user access to it; see the connector's README",
        ),
        Rule(
            kind=Kind.MISCONFIGURED,
            code="MALFORMED_QUERY",
            name="query-refused",
            fix="check the field settings",
        ),
        Rule(
            kind=Kind.MISCONFIGURED,
            code="INSUFFICIENT_ACCESS.*|API_DISABLED_FOR_ORG|FUNCTIONALITY_NOT_ENABLED",
            name="permission-missing",
            fix="give the integration user the permission that is named",
        ),
        Rule(kind=Kind.REJECTED, code="NOT_FOUND|ENTITY_IS_DELETED|MALFORMED_ID", name="record-unknown"),
        Rule(
            kind=Kind.REJECTED,
            code="FIELD_CUSTOM_VALIDATION_EXCEPTION|CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            name="refused-by-rule",
            fix="a validation rule or trigger of the org refused the change; its message says why",
        ),
        Rule(kind=Kind.OUTCOME_UNKNOWN, code="UNKNOWN_EXCEPTION", name="server-error"),
    ),
)


def first_error(body: Any) -> tuple[str, str, str | None]:
    """Code, message and field of an error body, whichever of their two shapes it has."""
    item = body[0] if isinstance(body, list) and body else body
    if not isinstance(item, dict):
        return "", "", None
    fields = item.get("fields")
    field = str(fields[0]) if isinstance(fields, list) and fields else None
    code = item.get("errorCode") or item.get("statusCode") or item.get("error") or ""
    return str(code), str(item.get("message") or item.get("error_description") or ""), field


def of_answer(answer: Answer, quota_wait: float) -> Failure:
    """The failure that an answer of the data API stands for."""
    code, message, field = first_error(answer.try_json())
    failure = TABLE.of(answer, code=code or None, message=message, field=field)
    if failure.code == "daily-limit" and failure.retry_after is None:
        failure.retry_after = quota_wait
    return failure


def of_part(status: int, body: Any) -> Failure:
    """The failure of one part of a composite call, all of which was rolled back."""
    code, message, field = first_error(body)
    return TABLE.failure(status=status, code=code or None, message=message, effect=False, field=field)
