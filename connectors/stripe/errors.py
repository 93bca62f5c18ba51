"""The gateway's error codes, our failure kinds."""

from canonical.failures import Failure, Kind
from connectors.kit.answer import Answer
from connectors.kit.errors import ErrorTable, Rule

TABLE = ErrorTable(
    "stripe",
    (
        Rule(
            kind=Kind.MISCONFIGURED,
            code="idempotency_error",
            name="idempotency-parameters-differ",
            fix="the same key was used with other parameters: find out which two effects share it",
        ),
        Rule(kind=Kind.TRANSIENT, status=409, code="idempotency_key_in_use", name="idempotency-key-in-use"),
        Rule(kind=Kind.TRANSIENT, status=429, code="lock_timeout", name="object-locked"),
        Rule(kind=Kind.TRANSIENT, status=429, name="rate-limited"),
        Rule(
            kind=Kind.MISCONFIGURED,
            code="api_key_expired|secret_key_required|platform_api_key_expired",
            name="credential-refused",
            field="api_key",
            fix="set a valid secret or restricted key of the payment gateway",
        ),
        Rule(
            kind=Kind.MISCONFIGURED,
            status=401,
            name="credential-refused",
            field="api_key",
            fix="set a valid secret or restricted key of the payment gateway",
        ),
        Rule(
            kind=Kind.MISCONFIGURED,
            status=403,
            name="permission-missing",
            field="api_key",
            fix="give the restricted key the permission that the message names",
        ),
        Rule(kind=Kind.REJECTED, code="resource_missing", name="gateway-record-unknown"),
        Rule(kind=Kind.REJECTED, status=402, name="payment-declined"),
        Rule(kind=Kind.CONFLICT, code="payment_intent_unexpected_state|setup_intent_unexpected_state"),
        Rule(kind=Kind.TRANSIENT, status=409, name="concurrent-update"),
        Rule(
            kind=Kind.MISCONFIGURED,
            status=400,
            message="invalid .*api version|stripe-version",
            name="api-version-refused",
            field="api_version",
            fix="pin a version that the account knows",
        ),
        Rule(
            kind=Kind.MISCONFIGURED,
            status=404,
            message="without an error object",
            name="address-wrong",
            field="base_url",
            fix="set base_url to the address of the payment gateway's API",
        ),
    ),
)
UNKNOWN_RECORD = "gateway-record-unknown"


def failure(answer: Answer) -> Failure:
    """What an answer that is no success stands for. A body without the error object judges by its status."""
    found = answer.try_json()
    error = found.get("error") if isinstance(found, dict) else None
    if not isinstance(error, dict):
        return TABLE.of(answer, code=None, message=f"status {answer.status} without an error object")
    kind = str(error.get("type") or "")
    code = kind if kind == "idempotency_error" else str(error.get("code") or "") or kind
    field = error.get("param")
    request = answer.headers.get("request-id", "")
    message = str(error.get("message") or code)
    return TABLE.of(
        answer,
        code=code,
        message=f"{message} ({request})" if request else message,
        field=field if isinstance(field, str) else None,
    )
