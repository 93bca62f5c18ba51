"""The search attributes of every saga: what lists, dashboards and the command line filter by. Opaque ids only."""

from temporalio.common import SearchAttributeKey

SAGA_KIND = SearchAttributeKey.for_keyword("SagaKind")
SAGA_STATE = SearchAttributeKey.for_keyword("SagaState")
SAGA_STEP = SearchAttributeKey.for_keyword("SagaStep")
EXCEPTION_OWNER = SearchAttributeKey.for_keyword("ExceptionOwner")
CORRELATION_ID = SearchAttributeKey.for_keyword("CorrelationId")
CUSTOMER_ID = SearchAttributeKey.for_keyword("CustomerId")
LEGAL_ENTITY = SearchAttributeKey.for_keyword("LegalEntity")

ALL: tuple[SearchAttributeKey[str], ...] = (
    SAGA_KIND,
    SAGA_STATE,
    SAGA_STEP,
    EXCEPTION_OWNER,
    CORRELATION_ID,
    CUSTOMER_ID,
    LEGAL_ENTITY,
)
