"""Every way in which a call can go wrong: the right kind of failure, and never a second effect."""

from collections.abc import Awaitable, Callable

import pytest

from canonical.failures import Failure, Kind
from connectors.kit.sandbox import Fault, serve
from connectors.salesforce.client import SalesforceClient
from connectors.salesforce.connector import Salesforce
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.salesforce.settings import SalesforceSettings
from tests.builders.deals import a_deal
from tests.connectors.salesforce.harness import a_mark, adapter, an_org, once, read_deal

DEAL = a_deal("1")
QUOTE = DEAL.quote.quote_id
DONE = a_mark(state="active", billing_subscription="S-1")
Write = Callable[[Salesforce], Awaitable[object]]

WRITES: dict[str, tuple[str, Write]] = {
    "lock": ("PATCH .*SBQQ__Quote__c", lambda crm: crm.lock_quote(QUOTE, a_mark())),
    "write-back": ("POST .*/composite", lambda crm: crm.write_back(QUOTE, DONE)),
}
# fault, kind of failure on a read (None: the call succeeds), kind on a write
DAMAGE: list[tuple[Fault, Kind | None, Kind]] = [
    (Fault(kind="timeout_before"), Kind.TRANSIENT, Kind.OUTCOME_UNKNOWN),
    (Fault(kind="timeout_after"), Kind.TRANSIENT, Kind.OUTCOME_UNKNOWN),
    (Fault(kind="reset_after"), Kind.TRANSIENT, Kind.OUTCOME_UNKNOWN),
    (Fault(kind="status", status=500), Kind.TRANSIENT, Kind.OUTCOME_UNKNOWN),
    (Fault(kind="error_after", status=500), Kind.TRANSIENT, Kind.OUTCOME_UNKNOWN),
    (Fault(kind="status", status=503, body="Service Unavailable"), Kind.TRANSIENT, Kind.TRANSIENT),
    (Fault(kind="status", status=429, body=""), Kind.TRANSIENT, Kind.TRANSIENT),
    (
        Fault(kind="status", status=302, headers={"location": "/elsewhere"}),
        Kind.MISCONFIGURED,
        Kind.MISCONFIGURED,
    ),
    (Fault(kind="html"), Kind.TRANSIENT, Kind.OUTCOME_UNKNOWN),
    (Fault(kind="empty"), Kind.TRANSIENT, Kind.OUTCOME_UNKNOWN),
    (Fault(kind="truncated"), Kind.TRANSIENT, Kind.OUTCOME_UNKNOWN),
    (Fault(kind="huge"), Kind.TRANSIENT, Kind.OUTCOME_UNKNOWN),
]


async def read_both(crm: Salesforce) -> None:
    """One call by id and one query."""
    await crm.read_mark(QUOTE)
    await crm.read_quote(QUOTE)


@pytest.mark.parametrize(("fault", "kind", "_"), DAMAGE, ids=lambda value: getattr(value, "kind", ""))
@pytest.mark.parametrize("match", ["GET .*/query/", "GET .*/sobjects/SBQQ__Quote__c"])
async def test_a_read_that_fails_is_typed_and_may_be_repeated(
    fault: Fault, kind: Kind, _: Kind, match: str
) -> None:
    org = an_org(DEAL)
    org.faults.add(fault.model_copy(update={"match": match, "struck": 0}, deep=True))
    org.faults.armed[0].model_post_init(None)
    crm = adapter(org)
    with pytest.raises(Failure) as caught:
        await read_both(crm)
    assert caught.value.kind is kind
    assert await read_deal(crm, DEAL) == DEAL
    assert not org.effects


@pytest.mark.parametrize(("fault", "_", "kind"), DAMAGE, ids=lambda value: getattr(value, "kind", ""))
@pytest.mark.parametrize("write", WRITES)
async def test_a_write_that_fails_is_typed_and_leaves_one_effect(
    fault: Fault, _: Kind, kind: Kind, write: str
) -> None:
    match, do = WRITES[write]
    org = an_org(DEAL)
    org.faults.add(fault.model_copy(update={"match": match, "struck": 0}, deep=True))
    org.faults.armed[0].model_post_init(None)
    crm = adapter(org)
    if write == "lock" and fault.kind in {"html", "empty", "truncated"}:
        # A 204 has no body that could be damaged into anything else.
        await do(crm)
    else:
        with pytest.raises(Failure) as caught:
            await do(crm)
        assert caught.value.kind is kind
    await do(crm)
    assert org.faults.armed[0].struck == 1
    once(org)


async def test_retry_after_is_obeyed_where_there_is_one() -> None:
    org = an_org(DEAL)
    org.faults.add(
        Fault(match="GET .*/query/", kind="status", status=429, headers={"retry-after": "7"}, body="")
    )
    with pytest.raises(Failure) as caught:
        await adapter(org).read_quote(QUOTE)
    assert (caught.value.code, caught.value.retry_after) == ("rate-limited", 7)


@pytest.mark.parametrize("write", WRITES)
async def test_a_token_that_ends_during_a_write_is_renewed_and_the_write_happens_once(write: str) -> None:
    match, do = WRITES[write]
    org = an_org(DEAL)
    org.faults.add(Fault(match=match, kind="expired_token"))
    await do(adapter(org))
    once(org)


async def test_unknown_fields_are_no_harm() -> None:
    org = an_org(DEAL)
    org.faults.add(Fault(match="GET", kind="unknown_fields", times=-1))
    assert await read_deal(adapter(org), DEAL) == DEAL


async def test_a_value_of_another_type_is_named() -> None:
    org = an_org(DEAL)
    record = {"Id": QUOTE, "SBQQ__Primary__c": "perhaps", "SBQQ__StartDate__c": "soon"}
    body = {"totalSize": 1, "done": True, "records": [record]}
    org.faults.add(Fault(match="GET .*/query/", kind="status", status=200, body=body))
    with pytest.raises(Failure, match="SBQQ__StartDate__c") as caught:
        await adapter(org).read_quote(QUOTE)
    assert (caught.value.kind, caught.value.code) == (Kind.MISCONFIGURED, "answer-not-understood")


@pytest.mark.parametrize("body", [[], "text", {"compositeResponse": []}, {"compositeResponse": "x"}, {}])
async def test_a_composite_answer_without_its_parts_is_uncertain(body: object) -> None:
    org = an_org(DEAL)
    org.faults.add(Fault(match="POST .*/composite", kind="error_after", status=200, body=body))
    crm = adapter(org)
    with pytest.raises(Failure) as caught:
        await crm.write_back(QUOTE, DONE)
    assert caught.value.kind is Kind.OUTCOME_UNKNOWN
    assert await crm.write_back(QUOTE, DONE) == DONE
    once(org)


async def test_pages_in_a_circle_end() -> None:
    org = an_org(DEAL)
    page = {
        "totalSize": 9,
        "done": False,
        "nextRecordsUrl": "/services/data/v62.0/query/01g-1",
        "records": [],
    }
    org.faults.add(Fault(match="GET .*/query/", kind="status", status=200, body=page, times=-1))
    with pytest.raises(Failure) as caught:
        await adapter(org).references()
    assert caught.value.code == "paging-loop"


async def test_a_page_cursor_to_another_host_is_not_followed() -> None:
    org = an_org(DEAL)
    page = {"totalSize": 9, "done": False, "nextRecordsUrl": "@evil.example/x", "records": []}
    org.faults.add(Fault(match="GET .*/query/", kind="status", status=200, body=page))
    with pytest.raises(Failure) as caught:
        await adapter(org).references()
    assert caught.value.code == "answer-not-understood"


async def test_no_failure_tells_a_secret() -> None:
    org = an_org(DEAL)
    org.faults.add(
        Fault(match="oauth2", kind="status", status=400, body={"error": "x", "error_description": "y"})
    )
    with pytest.raises(Failure) as caught:
        await adapter(org, auth="client_credentials").read_mark(QUOTE)
    text = str(caught.value.record())
    assert org.consumer_secret not in text
    assert "PRIVATE" not in text


async def test_the_same_over_real_http() -> None:
    org: SalesforceSandbox = an_org(DEAL)
    org.faults.add(
        Fault(match="PATCH", kind="timeout_after"),
        Fault(match="POST .*/composite", kind="reset_after"),
        Fault(match="GET .*/query/", kind="truncated"),
        Fault(match="GET .*/query/", kind="huge"),
    )
    async with serve(org) as url:
        settings = SalesforceSettings(**org.connection(url), read_timeout=0.5)
        crm = Salesforce(SalesforceClient(settings))
        failures = 0
        for do in (WRITES["lock"][1], WRITES["write-back"][1], lambda c: c.read_quote(QUOTE)):
            done = False
            while not done:
                try:
                    await do(crm)
                    done = True
                except Failure:
                    failures += 1
        assert failures == 4
        await crm.aclose()
    assert [fault.struck for fault in org.faults.armed] == [1, 1, 1, 1]
    once(org)
