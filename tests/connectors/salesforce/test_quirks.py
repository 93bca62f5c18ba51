"""What the fact sheet warns of, one named test each: the sandbox behaves so, and the adapter survives it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from canonical.failures import Conflict, Misconfigured, OutcomeUnknown, Rejected, Transient
from connectors.kit import decimal_json
from connectors.kit.auth import signed_jwt
from connectors.kit.sandbox import Fault, SandboxTransport
from connectors.salesforce.client import SalesforceClient
from connectors.salesforce.connector import Salesforce
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.salesforce.sandbox.auth import JWT_GRANT, new_key
from connectors.salesforce.sandbox.seed import load_deal
from connectors.salesforce.schema import Row
from connectors.salesforce.settings import SalesforceSettings
from tests.builders.deals import a_deal, crm_id
from tests.connectors.salesforce.harness import (
    NOW,
    URL,
    Interfering,
    a_mark,
    adapter,
    an_org,
    calls,
    once,
    read_deal,
)

# id, fact, test
QUIRKS: tuple[tuple[str, str, str], ...] = (
    ("token", "no expires_in; issued_at is milliseconds as text", "test_the_token_answer_names_no_end"),
    (
        "session",
        "401 INVALID_SESSION_ID is an array; one renewal, one replay",
        "test_an_ended_session_is_renewed_once",
    ),
    ("jwt", "wrong audience, issuer, subject, exp or key each has its words", "test_jwt_refusals"),
    ("jwt-exp", "exp may be text; milliseconds fail", "test_exp_as_text_and_in_milliseconds"),
    ("basic", "client credentials as Basic or as form", "test_client_credentials_both_ways"),
    ("ids", "15-character ids are accepted, answers carry 18", "test_short_ids_are_accepted"),
    ("version", "an unknown version in the path is 404", "test_an_unknown_version"),
    ("usage", "every answer carries Sforce-Limit-Info", "test_every_answer_tells_the_usage"),
    ("quota", "the day's quota is 403 without Retry-After", "test_the_quota_of_the_day"),
    ("concurrency", "too many long requests: the same code, another message", "test_too_many_at_once"),
    ("pages", "2,000 rows a page, nested lists too", "test_five_thousand_lines_come_in_pages"),
    ("batch", "batchSize between 200 and 2,000", "test_batch_size_is_obeyed_within_bounds"),
    ("null-child", "an empty child list is null", "test_a_quote_without_lines"),
    ("null-lookup", "an unset lookup is null", "test_an_unset_lookup_is_null"),
    ("field", "a hidden field is INVALID_FIELD, not null", "test_a_hidden_field_is_an_error"),
    ("decimal", "numbers stay exact", "test_numbers_are_exact"),
    ("stamp", "+0000 without a colon", "test_stamps_have_no_colon"),
    ("climb", "at most five parents in one query", "test_six_parents_are_too_many"),
    ("case", "text compares without case, ids with it", "test_comparisons"),
    ("won", "won is a flag, not a label", "test_won_is_not_the_stage_label"),
    ("modstamp", "background jobs move SystemModstamp only", "test_background_jobs_move_one_stamp"),
    ("ties", "rows that share a stamp are all found", "test_rows_with_one_stamp_are_all_found"),
    ("412", "If-Unmodified-Since refuses, and nothing is written", "test_a_change_in_between_is_a_conflict"),
    ("412-system", "it does not see system-only changes", "test_background_jobs_do_not_break_the_lock"),
    ("blind-second", "two writes in one second are not told apart", "test_two_rivals_within_one_second"),
    ("blind-late", "a blind write that comes late", "test_a_blind_write_that_comes_late_is_refused"),
    ("bad-date", "a malformed If-Unmodified-Since is 400", "test_a_malformed_condition"),
    ("row-lock", "UNABLE_TO_LOCK_ROW as 400 and as 500", "test_a_locked_row_is_transient_under_any_status"),
    ("approval", "ENTITY_IS_LOCKED", "test_a_quote_in_approval_needs_a_person"),
    ("composite", "HTTP 200 after a rollback", "test_composite_says_200_after_a_rollback"),
    ("envelope", "a malformed envelope is a real 400", "test_a_malformed_envelope"),
    ("references", "@{ref.id} across sub-requests", "test_references_between_parts"),
    ("collection", "200 with inner failures, statusCode inside", "test_collections_fail_inside"),
    ("upsert", "201 created, 200 changed, 300 several", "test_upsert_by_external_id"),
    ("bin", "deleted rows are seen by queryAll only", "test_deleted_rows_are_in_the_bin"),
    ("async", "a contract appears some time after the flag", "test_contracts_come_later"),
    ("flag", "the flag states intent, not the result", "test_a_flag_without_a_result"),
    ("inclusive", "end dates are inclusive", "test_end_dates_are_inclusive"),
    ("package", "package totals count twice", "test_package_totals_are_not_added"),
    ("uncalculated", "saved later than calculated", "test_stale_prices_are_told"),
    ("effective", "line dates fall back to the quote's", "test_line_dates_fall_back"),
)


def test_every_quirk_has_its_test() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [test for _, _, test in QUIRKS if f"def {test}(" not in source] == []
    assert len({quirk for quirk, _, _ in QUIRKS}) == len(QUIRKS)


DEAL = a_deal("1")
QUOTE = DEAL.quote.quote_id
DEAL_ID = DEAL.opportunity.opportunity_id
DATA = "/services/data/v62.0"


@asynccontextmanager
async def wire(org: SalesforceSandbox, signed_in: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    """The org's own wire, without the adapter."""
    headers = {"authorization": f"Bearer {org.tokens.issue()}"} if signed_in else {}
    async with httpx.AsyncClient(transport=SandboxTransport(org), base_url=URL, headers=headers) as http:
        yield http


def interfered(org: SalesforceSandbox) -> tuple[Salesforce, Interfering]:
    transport = Interfering(org)
    return Salesforce(SalesforceClient(SalesforceSettings(**org.connection(URL)), transport)), transport


# Sign-in


async def test_the_token_answer_names_no_end() -> None:
    org = an_org()
    form = {
        "grant_type": "client_credentials",
        "client_id": org.consumer_key,
        "client_secret": org.consumer_secret,
    }
    async with wire(org, signed_in=False) as http:
        body = (await http.post("/services/oauth2/token", data=form)).json()
    assert "expires_in" not in body
    assert len(body["issued_at"]) == 13
    assert body["instance_url"] == URL


async def test_an_ended_session_is_renewed_once() -> None:
    org = an_org(DEAL)
    crm = adapter(org)
    await crm.read_mark(QUOTE)
    org.tokens.revoke()
    async with wire(org, signed_in=False) as http:
        refused = await http.get(f"{DATA}/limits/", headers={"authorization": "Bearer old"})
    assert refused.status_code == 401
    assert refused.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    before = org.tokens.issued
    await asyncio.gather(*(crm.read_mark(QUOTE) for _ in range(5)))
    assert org.tokens.issued == before + 1


async def test_jwt_refusals() -> None:
    org = an_org()
    good: dict[str, Any] = {
        "iss": org.consumer_key,
        "sub": org.username,
        "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 180,
    }
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"aud": "https://elsewhere.example"}, org.private_key, "audience is invalid"),
        ({"iss": "another"}, org.private_key, "client identifier invalid"),
        ({"sub": "another"}, org.private_key, "user hasn't approved this consumer"),
        ({"exp": int(time.time()) - 1}, org.private_key, "expired authorization code"),
        ({}, new_key(), "invalid assertion"),
    ]
    async with wire(org, signed_in=False) as http:
        for change, key, words in cases:
            assertion = signed_jwt(good | change, key, algorithm="RS256")
            answer = await http.post(
                "/services/oauth2/token", data={"grant_type": JWT_GRANT, "assertion": assertion}
            )
            assert answer.status_code == 400
            assert answer.json()["error_description"] == words


async def test_exp_as_text_and_in_milliseconds() -> None:
    org = an_org()
    base = {"iss": org.consumer_key, "sub": org.username, "aud": "https://test.salesforce.com"}
    async with wire(org, signed_in=False) as http:
        for exp, status in ((str(int(time.time()) + 180), 200), (int(time.time() * 1000) + 180_000, 400)):
            assertion = signed_jwt(base | {"exp": exp}, org.private_key, algorithm="RS256")
            form = {"grant_type": JWT_GRANT, "assertion": assertion}
            assert (await http.post("/services/oauth2/token", data=form)).status_code == status


async def test_client_credentials_both_ways() -> None:
    org = an_org(DEAL)
    assert await adapter(org, auth="client_credentials").read_mark(QUOTE) is None
    with pytest.raises(Misconfigured) as caught:
        await adapter(org, auth="client_credentials", client_secret="wrong").read_mark(QUOTE)
    assert caught.value.code == "credential-refused"
    assert "wrong" not in str(caught.value.record())


# Ids, versions, limits


async def test_short_ids_are_accepted() -> None:
    crm = adapter(an_org(DEAL))
    quote, _ = await crm.read_quote(QUOTE[:15])
    assert quote.quote_id == QUOTE
    assert await crm.read_mark(QUOTE[:15]) is None
    customer, parents = await crm.read_customer(DEAL.parties.customer.customer_id[:15])
    assert customer == DEAL.parties.customer
    assert parents == DEAL.parents


async def test_an_unknown_version() -> None:
    with pytest.raises(Rejected) as caught:
        await adapter(an_org(DEAL), api_version="42.0").read_opportunity(DEAL_ID)
    assert caught.value.code == "record-unknown"


async def test_every_answer_tells_the_usage() -> None:
    org = an_org(DEAL, daily_limit=15000)
    async with wire(org) as http:
        await http.get(f"{DATA}/limits/")
        answer = await http.get(f"{DATA}/sobjects/Account/none")
    assert answer.status_code == 404
    assert answer.headers["sforce-limit-info"] == "api-usage=2/15000"


async def test_the_quota_of_the_day() -> None:
    org = an_org(DEAL, daily_limit=0)
    with pytest.raises(Transient) as caught:
        await adapter(org).lock_quote(QUOTE, a_mark())
    assert caught.value.code == "daily-limit"
    assert caught.value.retry_after == 900
    assert not org.effects


async def test_too_many_at_once() -> None:
    org = an_org(DEAL)
    org.concurrency.limit = 0
    with pytest.raises(Transient) as caught:
        await adapter(org).read_mark(QUOTE)
    assert caught.value.code == "concurrency-limit"
    assert caught.value.retry_after is None


# Queries


async def test_five_thousand_lines_come_in_pages() -> None:
    big = a_deal("big", lines=5000)
    org = an_org(big)
    quote, _ = await adapter(org).read_quote(big.quote.quote_id)
    assert quote == big.quote
    assert len(calls(org, "GET")) == 3


async def test_batch_size_is_obeyed_within_bounds() -> None:
    org = an_org(*(a_deal(f"p{n}") for n in range(250)))
    async with wire(org) as http:
        asked = {"Sforce-Query-Options": "batchSize=1"}
        first = (
            await http.get(f"{DATA}/query/", params={"q": "SELECT Id FROM Opportunity"}, headers=asked)
        ).json()
        assert (len(first["records"]), first["totalSize"], first["done"]) == (200, 250, False)
        assert first["nextRecordsUrl"].endswith("-200")
        second = (await http.get(first["nextRecordsUrl"], headers=asked)).json()
        assert (len(second["records"]), second["done"]) == (50, True)
        assert "nextRecordsUrl" not in second
        lost = await http.get(f"{DATA}/query/01gNone-200")
        assert lost.json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


async def test_a_quote_without_lines() -> None:
    deal = a_deal("empty", lines=0)
    org = an_org(deal)
    soql = "SELECT Id, (SELECT Id FROM SBQQ__LineItems__r) FROM SBQQ__Quote__c"
    async with wire(org) as http:
        rows = (await http.get(f"{DATA}/query/", params={"q": soql})).json()["records"]
    assert rows[0]["SBQQ__LineItems__r"] is None
    assert (await read_deal(adapter(org), deal)).quote.lines == ()


async def test_an_unset_lookup_is_null() -> None:
    org = an_org(DEAL)
    soql = "SELECT SBQQ__PrimaryContact__r.Name, SBQQ__Account__r.Name FROM SBQQ__Quote__c"
    async with wire(org) as http:
        row = (await http.get(f"{DATA}/query/", params={"q": soql})).json()["records"][0]
    assert row["SBQQ__PrimaryContact__r"] is None
    assert row["SBQQ__Account__r"]["Name"] == "Customer 1"


async def test_a_hidden_field_is_an_error() -> None:
    org = an_org(DEAL)
    del org.types["SBQQ__Quote__c"].fields["Otc_State__c"]
    with pytest.raises(Misconfigured, match="Otc_State__c") as caught:
        await adapter(org).read_mark(QUOTE)
    assert caught.value.code == "field-missing"
    assert caught.value.field == "Otc_State__c"
    with pytest.raises(Misconfigured, match="Otc_Vat__c"):
        await adapter(an_org(DEAL), field_vat_id="Otc_Vat__c").read_customer(
            DEAL.parties.customer.customer_id
        )


async def test_numbers_are_exact() -> None:
    price = Decimal("12345678901234.56")
    deal = a_deal("x", line={"net_unit_price": price, "quantity": Decimal("0.10"), "list_unit_price": price})
    org = an_org(deal)
    quote, _ = await adapter(org).read_quote(deal.quote.quote_id)
    assert quote.lines[0].net_unit_price == price
    assert quote == deal.quote


async def test_stamps_have_no_colon() -> None:
    org = an_org(DEAL)
    page = await adapter(org).closed_won(None, 1)
    assert page.deals[0].modified == "2026-01-05T09:30:00.000+0000"


async def test_six_parents_are_too_many() -> None:
    async with wire(an_org()) as http:
        for climbs, status in ((5, 200), (6, 400)):
            soql = f"SELECT {'Parent.' * climbs}Name FROM Account"
            assert (await http.get(f"{DATA}/query/", params={"q": soql})).status_code == status


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("Name = 'CUSTOMER 1'", 1),
        ("Name LIKE 'cust%'", 2),
        ("Name LIKE 'Customer _'", 2),
        ("NOT Name LIKE 'cust%'", 0),
        ("Name IN ('Customer 1', 'x') OR Name = 'Customer 2'", 2),
        ("Name NOT IN ('Customer 1')", 1),
        ("Name = 'O\\'Neill \\\\ \\n'", 0),
        ("(Name = 'Customer 1' AND ParentId = null) AND CreatedDate < 2027-01-01T00:00:00Z", 1),
        (f"Id = '{crm_id('001', '1')[:15]}'", 1),
        (f"Id = '{crm_id('001', '1')[:15].swapcase()}'", 0),
        ("Name > 'Customer 1'", 1),
        ("Otc_Region__c != null", 2),
    ],
)
async def test_comparisons(where: str, count: int) -> None:
    async with wire(an_org(DEAL, a_deal("2"))) as http:
        answer = await http.get(f"{DATA}/query/", params={"q": f"SELECT Id FROM Account WHERE {where}"})
    assert answer.json()["totalSize"] == count


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id FROM", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name ~ 'x'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account extra words", "MALFORMED_QUERY"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Nothing FROM Account", "INVALID_FIELD"),
        ("SELECT Owner.Name FROM Account", "INVALID_FIELD"),
        ("SELECT Id, (SELECT Id FROM Nothings) FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE IsWon = 'true'", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE SystemModstamp > '2026-01-01'", "INVALID_FIELD"),
    ],
)
async def test_queries_are_refused_by_their_codes(soql: str, code: str) -> None:
    async with wire(an_org(DEAL)) as http:
        answer = await http.get(f"{DATA}/query/", params={"q": soql})
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] == code


# Stamps and the watch


async def test_won_is_not_the_stage_label() -> None:
    org = an_org(a_deal("label", opportunity={"won": False}))
    org.change("Opportunity", crm_id("006", "label"), {"StageName": "Closed Won"})
    assert (await adapter(org).closed_won(None, 5)).deals == ()


async def test_background_jobs_move_one_stamp() -> None:
    clock = [NOW]
    org = an_org(DEAL, clock=lambda: clock[0])
    crm = adapter(org)
    first = await crm.closed_won(None, 5)
    clock[0] += timedelta(minutes=1)
    for name, record in (("Opportunity", DEAL_ID), ("SBQQ__Quote__c", QUOTE)):
        before = dict(org.org.table(name)[record])
        org.touch(name, record)
        after = org.org.table(name)[record]
        assert after["SystemModstamp"] > before["SystemModstamp"]
        assert after | {"SystemModstamp": before["SystemModstamp"]} == before
    again = await crm.closed_won(first.cursor, 5)
    assert again.deals[0].modified > first.deals[0].modified
    assert (await read_deal(crm, DEAL)).revision == DEAL.revision


async def test_rows_with_one_stamp_are_all_found() -> None:
    deals = [a_deal(f"t{n}") for n in range(5)]
    org = an_org(*deals)
    assert len({row["SystemModstamp"] for row in org.org.table("Opportunity").values()}) == 1
    crm = adapter(org)
    found: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page = await crm.closed_won(cursor, 2)
        found += [d.quote_id for d in page.deals]
        cursor = page.cursor
    assert sorted(found) == sorted(d.quote.quote_id for d in deals)


# Conditional writes


async def test_a_change_in_between_is_a_conflict() -> None:
    org = an_org(DEAL)
    crm, between = interfered(org)
    between.before["PATCH"] = [
        lambda: org.change("SBQQ__Quote__c", QUOTE, {"SBQQ__PaymentTerms__c": "Net 60"})
    ]
    with pytest.raises(Conflict) as caught:
        await crm.lock_quote(QUOTE, a_mark())
    assert caught.value.code == "quote-changed"
    assert await crm.read_mark(QUOTE) is None
    assert not org.effects
    assert await crm.lock_quote(QUOTE, a_mark()) == a_mark()


async def test_a_rival_that_wins_the_race_is_named() -> None:
    org = an_org(DEAL)
    crm, between = interfered(org)
    between.before["PATCH"] = [lambda: adapter(org).lock_quote(QUOTE, a_mark("rival"))]
    with pytest.raises(Conflict) as caught:
        await crm.lock_quote(QUOTE, a_mark("ours"))
    assert (caught.value.code, caught.value.evidence["holder"]) == ("quote-locked", "rival")
    assert await crm.read_mark(QUOTE) == a_mark("rival")


async def test_background_jobs_do_not_break_the_lock() -> None:
    org = an_org(DEAL)
    crm, between = interfered(org)
    between.before["PATCH"] = [lambda: org.touch("SBQQ__Quote__c", QUOTE)]
    assert await crm.lock_quote(QUOTE, a_mark()) == a_mark()


async def test_an_edit_in_between_does_not_keep_the_lock() -> None:
    org = an_org(DEAL)
    crm, between = interfered(org)
    await crm.lock_quote(QUOTE, a_mark())

    def edited() -> None:
        org.change("SBQQ__Quote__c", QUOTE, {"SBQQ__PaymentTerms__c": f"Net {len(org.log)}"})

    clock = [NOW]

    def ticking() -> datetime:
        clock.append(clock[-1] + timedelta(seconds=2))
        return clock[-1]

    org.org.now = ticking
    between.before["PATCH"] = [edited, edited]
    assert await crm.unlock_quote(QUOTE, a_mark().operation_id) is None
    await crm.lock_quote(QUOTE, a_mark())
    between.before["PATCH"] = [edited, edited, edited]
    with pytest.raises(Conflict) as caught:
        await crm.unlock_quote(QUOTE, a_mark().operation_id)
    assert caught.value.code == "quote-changed"


def just_changed() -> tuple[SalesforceSandbox, list[datetime]]:
    """An org whose clock stands still, in which a user changed the quote in this very second."""
    org, clock = an_org(DEAL), [NOW]
    org.org.now = lambda: clock[0]
    org.change("SBQQ__Quote__c", QUOTE, {"SBQQ__PaymentTerms__c": "Net 60"})
    return org, clock


async def test_two_rivals_within_one_second() -> None:
    org, _ = just_changed()
    ours, between = interfered(org)
    theirs = adapter(org)
    free = await theirs._marked(QUOTE)
    rival: list[Row] = []

    async def overtaken() -> None:
        # The rival read the quote while it was free, and its blind write comes before we have looked at ours.
        rival.append(await theirs._write_mark(QUOTE, free, a_mark("rival")))

    between.after["PATCH"] = [overtaken]
    with pytest.raises(Conflict) as caught:
        await ours.lock_quote(QUOTE, a_mark("ours"))
    assert caught.value.evidence["holder"] == "rival"
    assert rival[0].text("Otc_Operation__c") == "rival"
    assert await ours.read_mark(QUOTE) == a_mark("rival")


async def test_a_blind_write_that_comes_late_is_refused() -> None:
    org, clock = just_changed()
    ours, between = interfered(org)
    theirs = adapter(org)
    free = await theirs._marked(QUOTE)

    def a_second_later() -> None:
        clock[0] += timedelta(seconds=1)

    between.before["PATCH"] = [lambda: None, a_second_later]
    assert await ours.lock_quote(QUOTE, a_mark("ours")) == a_mark("ours")
    assert len(calls(org, "PATCH")) == 2
    with pytest.raises(Conflict) as caught:
        await theirs._write_mark(QUOTE, free, a_mark("late"))
    assert caught.value.evidence["holder"] == "ours"
    assert await ours.read_mark(QUOTE) == a_mark("ours")
    once(org)


async def test_a_malformed_condition() -> None:
    async with wire(an_org(DEAL)) as http:
        answer = await http.patch(
            f"{DATA}/sobjects/SBQQ__Quote__c/{QUOTE}",
            json={"SBQQ__PaymentTerms__c": "Net 60"},
            headers={"If-Unmodified-Since": "soon"},
        )
    assert answer.status_code == 400


@pytest.mark.parametrize("status", [400, 500])
async def test_a_locked_row_is_transient_under_any_status(status: int) -> None:
    org = an_org(DEAL)
    crm = adapter(org)
    async with wire(org) as http:
        await http.post("/_control/hold", json={"id": QUOTE, "times": 2, "status": status})
    for write in (crm.lock_quote(QUOTE, a_mark()), crm.write_back(QUOTE, a_mark(state="active"))):
        with pytest.raises(Transient) as caught:
            await write
        assert caught.value.code == "row-locked"
    assert not org.effects
    assert await crm.lock_quote(QUOTE, a_mark()) == a_mark()


async def test_a_quote_in_approval_needs_a_person() -> None:
    org = an_org(DEAL)
    org.org.hold(QUOTE, -1, 400)
    with pytest.raises(Misconfigured) as caught:
        await adapter(org).lock_quote(QUOTE, a_mark())
    assert caught.value.code == "record-locked-by-approval"
    assert caught.value.fix


# Several at once


async def test_composite_says_200_after_a_rollback() -> None:
    org = an_org(DEAL)
    org.types["Opportunity"].lengths["Otc_Subscription__c"] = 3
    crm = adapter(org)
    done = a_mark(state="active", billing_subscription="S-0001")
    with pytest.raises(Rejected) as caught:
        await crm.write_back(QUOTE, done)
    assert (caught.value.field, caught.value.evidence["vendor-code"]) == (
        "Otc_Subscription__c",
        "STRING_TOO_LONG",
    )
    posts = [e for e in org.log if e["path"].endswith("/composite")]
    assert [e["status"] for e in posts] == [200]
    assert await crm.read_mark(QUOTE) is None
    assert not org.effects
    org.types["Opportunity"].lengths["Otc_Subscription__c"] = 80
    assert await crm.write_back(QUOTE, done) == done
    once(org)


async def test_a_malformed_envelope() -> None:
    part = {"method": "GET", "url": f"{DATA}/query/?q=SELECT+Id+FROM+Account", "referenceId": "a"}
    bad: list[dict[str, Any]] = [
        {},
        {"compositeRequest": [part | {"referenceId": ""}]},
        {"compositeRequest": [part, part]},
        {"compositeRequest": [part | {"referenceId": f"r{n}"} for n in range(26)]},
        {"compositeRequest": [part | {"httpHeaders": {"Authorization": "x"}}]},
    ]
    async with wire(an_org()) as http:
        assert (await http.post(f"{DATA}/composite", json={"compositeRequest": [part]})).status_code == 200
        for body in bad:
            assert (await http.post(f"{DATA}/composite", json=body)).status_code == 400
        assert (await http.post(f"{DATA}/composite", content=b"{")).status_code == 400


async def test_references_between_parts() -> None:
    org = an_org()
    parts = [
        {"method": "POST", "url": f"{DATA}/sobjects/Account", "referenceId": "acc", "body": {"Name": "Acme"}},
        {
            "method": "POST",
            "url": f"{DATA}/sobjects/Contact",
            "referenceId": "con",
            "body": {"LastName": "Okafor", "AccountId": "@{acc.id}"},
        },
        {"method": "GET", "url": f"{DATA}/sobjects/Account/@{{acc.id}}?fields=Name", "referenceId": "get"},
        {"method": "PATCH", "url": f"{DATA}/sobjects/Account/@{{nope.id}}", "referenceId": "bad", "body": {}},
    ]

    async def play(strict: bool) -> list[dict[str, Any]]:
        async with wire(org) as http:
            body = {"allOrNone": strict, "compositeRequest": parts}
            answer = (await http.post(f"{DATA}/composite", json=body)).json()["compositeResponse"]
        assert len(org.org.table("Account")) == 1
        return list(answer)

    assert [part["httpStatusCode"] for part in await play(False)] == [201, 201, 200, 400]
    answer = await play(True)
    assert [part["httpStatusCode"] for part in answer] == [400, 400, 400, 400]
    assert answer[0]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert "Invalid reference" in answer[3]["body"][0]["message"]
    contact = next(iter(org.org.table("Contact").values()))
    assert contact["AccountId"] in org.org.table("Account")


async def test_collections_fail_inside() -> None:
    org = an_org()
    good = {"attributes": {"type": "Account"}, "Name": "Acme"}
    bad = {"attributes": {"type": "Account"}, "Nickname": "x"}
    async with wire(org) as http:
        path = f"{DATA}/composite/sobjects"
        mixed = await http.post(path, json={"allOrNone": False, "records": [good, bad]})
        assert mixed.status_code == 200
        assert [r["success"] for r in mixed.json()] == [True, False]
        assert mixed.json()[1]["errors"][0]["statusCode"] == "INVALID_FIELD"
        assert [
            r["success"]
            for r in (await http.post(path, json={"allOrNone": True, "records": [good, bad]})).json()
        ] == [False, False]
        assert len(org.org.table("Account")) == 1
        made = mixed.json()[0]["id"]
        assert (await http.post(path, json={"records": [good] * 201})).status_code == 400
        gone = await http.delete(path, params={"ids": f"{made},zzz"})
        assert [r["success"] for r in gone.json()] == [True, False]


async def test_upsert_by_external_id() -> None:
    org = an_org()
    path = f"{DATA}/sobjects/Account/ERP_Id__c/C%2F1"
    async with wire(org) as http:
        only = await http.patch(path, params={"updateOnly": "true"}, json={"Name": "Acme"})
        first = await http.patch(path, json={"Name": "Acme"})
        second = await http.patch(path, json={"Name": "Acme Inc"})
        inside = await http.patch(path, json={"ERP_Id__c": "C/1"})
        assert (only.status_code, first.status_code, second.status_code, inside.status_code) == (
            404,
            201,
            200,
            400,
        )
        assert (first.json()["created"], second.json()["created"]) == (True, False)
        assert (await http.get(path)).json()["Name"] == "Acme Inc"
        twin = await http.post(f"{DATA}/sobjects/Account", json={"Name": "Twin", "ERP_Id__c": "C/1"})
        assert twin.json()[0]["errorCode"] == "DUPLICATE_VALUE"
        org.org.put("Account", {"Name": "Loaded", "ERP_Id__c": "C/1"})
        assert (await http.patch(path, json={"Name": "x"})).status_code == 300
        bulk = {"records": [{"attributes": {"type": "Account"}, "ERP_Id__c": "C-2", "Name": "Two"}]}
        result = await http.patch(f"{DATA}/composite/sobjects/Account/ERP_Id__c", json=bulk)
        assert result.json()[0]["created"] is True


async def test_deleted_rows_are_in_the_bin() -> None:
    org = an_org(DEAL)
    async with wire(org) as http:
        assert (await http.delete(f"{DATA}/sobjects/Opportunity/{DEAL_ID}")).status_code == 204
        again = await http.delete(f"{DATA}/sobjects/Opportunity/{DEAL_ID}")
        assert again.json()[0]["errorCode"] == "ENTITY_IS_DELETED"
        soql = {"q": "SELECT Id, IsDeleted FROM Opportunity"}
        assert (await http.get(f"{DATA}/query/", params=soql)).json()["totalSize"] == 0
        assert (await http.get(f"{DATA}/queryAll/", params=soql)).json()["records"][0]["IsDeleted"] is True
    with pytest.raises(Rejected):
        await adapter(org).read_opportunity(DEAL_ID)


# What the package does by itself


async def test_contracts_come_later() -> None:
    clock = [NOW]
    org = an_org(DEAL, clock=lambda: clock[0])
    crm = adapter(org)
    org.change("Opportunity", DEAL_ID, {"SBQQ__Contracted__c": True})
    assert (await crm.read_opportunity(DEAL_ID)).contracted
    assert await crm.find_contract(DEAL_ID) is None
    clock[0] += timedelta(minutes=5)
    assert await crm.find_contract(DEAL_ID) is not None
    once(org)


async def test_a_flag_without_a_result() -> None:
    clock = [NOW]
    org = an_org(a_deal("lost", opportunity={"won": False}), clock=lambda: clock[0])
    lost = crm_id("006", "lost")
    org.change("Opportunity", lost, {"SBQQ__Contracted__c": True})
    clock[0] += timedelta(days=1)
    crm = adapter(org)
    assert (await crm.read_opportunity(lost)).contracted
    assert await crm.find_contract(lost) is None


async def test_end_dates_are_inclusive() -> None:
    org = an_org(DEAL)
    assert org.org.table("SBQQ__Quote__c")[QUOTE]["SBQQ__EndDate__c"] == "2026-12-31"
    quote, _ = await adapter(org).read_quote(QUOTE)
    assert quote.period.end.isoformat() == "2027-01-01"
    assert quote.period.whole_months() == 12


async def test_package_totals_are_not_added() -> None:
    deal = a_deal("pack", lines=0, bundle=True)
    org = an_org(deal)
    parent = deal.quote.lines[0]
    soql = f"SELECT SBQQ__PackageTotal__c FROM SBQQ__QuoteLine__c WHERE Id = '{parent.line_id}'"
    async with wire(org) as http:
        answer = await http.get(f"{DATA}/query/", params={"q": soql})
    shown = decimal_json.loads(answer.content)["records"][0]["SBQQ__PackageTotal__c"]
    quote, _ = await adapter(org).read_quote(deal.quote.quote_id)
    assert shown == quote.net_total.amount
    assert sum(line.net_total.minor for line in quote.lines) == quote.net_total.minor
    assert [line.parent_line_id for line in quote.lines] == [None, parent.line_id, parent.line_id]


async def test_stale_prices_are_told() -> None:
    org = an_org(DEAL)
    crm = adapter(org)
    assert (await crm.read_quote(QUOTE))[0].calculated
    later = "2026-01-05T10:00:00.000+0000"
    org.change("SBQQ__Quote__c", QUOTE, {"SBQQ__LastSavedOn__c": later})
    assert not (await crm.read_quote(QUOTE))[0].calculated


async def test_line_dates_fall_back() -> None:
    org = an_org()
    load_deal(org.org, DEAL)
    line = DEAL.quote.lines[0].line_id
    org.org.amend("SBQQ__QuoteLine__c", line, {"SBQQ__StartDate__c": None, "SBQQ__EndDate__c": None})
    quote, _ = await adapter(org).read_quote(QUOTE)
    assert quote.lines[0].period == quote.period


async def test_a_server_error_after_the_effect_is_uncertain_and_a_second_try_writes_nothing() -> None:
    org = an_org(DEAL)
    org.faults.add(Fault(match="PATCH", kind="error_after"))
    crm = adapter(org)
    with pytest.raises(OutcomeUnknown):
        await crm.lock_quote(QUOTE, a_mark())
    assert await crm.read_mark(QUOTE) == a_mark()
    assert await crm.lock_quote(QUOTE, a_mark()) == a_mark()
    once(org)
