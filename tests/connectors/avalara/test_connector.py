"""The adapter against the engine on loopback: what it asks, and what it makes of the answers."""

from datetime import date

import pytest

from canonical.failures import Misconfigured, Rejected
from canonical.party import Address
from canonical.tax import ZeroReason
from connectors.avalara.client import AvalaraClient
from connectors.avalara.connector import AvalaraTax
from connectors.avalara.manifest import MANIFEST
from connectors.kit.sandbox import Fault, SandboxTransport, serve
from tests.connectors.avalara import data

A = data.address


async def test_check_is_well_with_a_good_credential() -> None:
    health = await data.tax(data.engine()).check()
    assert (health.well, health.detail) == (True, "version 26.10.0, AccountIdLicenseKey")


async def test_check_never_raises() -> None:
    sandbox = data.engine()
    tax = data.tax(sandbox, license_key="WRONG")
    assert not (await tax.check()).well
    dead = AvalaraTax(AvalaraClient(data.settings(sandbox, "http://127.0.0.1:9")))
    health = await dead.check()
    assert not health.well
    assert "not reached" in health.detail
    await dead.aclose()


async def test_references_read_every_page() -> None:
    sandbox = data.engine(page_size=3)
    found = await data.tax(sandbox).references()
    assert {r.code for r in found} >= {"SW054000", "P0000000", "NT"}
    assert {r.kind for r in found} == {"tax_code"}
    assert sum(entry["path"].endswith("/taxcodes") for entry in sandbox.log) == 3


async def test_nexus_reads_every_page_and_finds_the_company_by_code() -> None:
    sandbox = data.engine(page_size=2)
    tax = data.tax(sandbox)
    found = await tax.nexus("us-inc")
    assert set(found) == set(data.NEXUS["US-INC"])
    assert sum("/nexus" in entry["path"] for entry in sandbox.log) == 5
    await tax.nexus("us-inc")
    assert sum(entry["path"].endswith("/companies") for entry in sandbox.log) == 1


async def test_a_list_without_links_goes_on_by_count() -> None:
    sandbox = data.engine()
    for region in ("PA", "WA"):
        row = {"country": "US", "region": region, "nexusTypeId": "SalesTax", "effectiveDate": "2020-01-01"}
        body = {"@recordsetCount": 2, "value": [row]}
        sandbox.faults.add(Fault(match="/nexus", kind="status", status=200, body=body))
    found = await data.tax(sandbox).nexus("US-INC")
    assert found == (data.nexus("US", "PA", "sales"), data.nexus("US", "WA", "sales"))
    assert "skip=1" in sandbox.log[-1]["query"]


@pytest.mark.parametrize("company", ["NOBODY", "O'Neill & Sons", "x' or companyCode ne 'x"])
async def test_an_unknown_company_is_misconfigured(company: str) -> None:
    with pytest.raises(Misconfigured) as failed:
        await data.tax(data.engine()).nexus(company)
    assert failed.value.code == "tax-company-unknown"


async def test_a_good_address_is_normalised() -> None:
    check = await data.tax(data.engine()).resolve_address(data.PHILADELPHIA)
    assert check.resolved
    assert check.normalised is not None
    assert check.normalised.postal_code.startswith("19147-")
    assert (check.normalised.city, check.normalised.country) == ("Philadelphia", "US")


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (A("US", "PA", "20500", "Washington"), "Zip is not valid for the state"),
        (A("US", "ZZ", "19147", "Nowhere"), "not a state"),
        (A("US", "PA", "00000", "Nowhere"), "does not exist"),
        (A("CA", "BC", "M5J 2J1", "Toronto"), "Zip is not valid for the state"),
        (A("CA", "ON", "12345", "Toronto"), "does not exist"),
        (A("US", "PA", "", "Philadelphia", "0 Reed St"), "out of range"),
        (A("US", "PA", "", "Philadelphia", "822 Reed St"), ""),
        (A("US"), "not deliverable"),
        (A("US", "PA", "19147-5736-999999", "Philadelphia"), "between 0 and 11"),
        (A("DE", "", "10115", "Berlin"), "cannot be resolved"),
        (Address(), "no country"),
    ],
)
async def test_a_bad_address_is_told_and_not_raised(address: Address, text: str) -> None:
    check = await data.tax(data.engine()).resolve_address(address)
    if text:
        assert not check.resolved
        assert any(text in problem for problem in check.problems), check.problems
    else:
        assert check.resolved


@pytest.mark.parametrize(
    ("to", "company", "currency", "amount", "expected"),
    [
        (data.PHILADELPHIA, "US-INC", "USD", "125.00", {"PENNSYLVANIA": 750, "PHILADELPHIA": 250}),
        (
            A("US", "TX", "78701", "Austin"),
            "US-INC",
            "USD",
            "125.00",
            {"TEXAS": 625, "AUSTIN": 100, "AUSTIN MTA TRANSIT": 100},
        ),
        (
            A("US", "WA", "98101", "Seattle"),
            "US-INC",
            "USD",
            "99.99",
            {"WASHINGTON": 650, "SEATTLE": 265, "REGIONAL TRANSIT AUTHORITY": 140},
        ),
        (A("CA", "ON", "M5J 2J1", "Toronto"), "CA-LTD", "CAD", "100", {"ON": 1300}),
        (A("CA", "BC", "V5K 0A1", "Vancouver"), "CA-LTD", "CAD", "100", {"CANADA": 500, "BC": 700}),
        (A("CA", "QC", "H2X 1Y4", "Montreal"), "CA-LTD", "CAD", "100", {"CANADA": 500, "QC": 998}),
        (A("GB", "", "EC2R 8EJ", "London"), "UK-LTD", "GBP", "100", {"UNITED KINGDOM": 2000}),
        (A("IE", "", "D02 XY45", "Dublin"), "UK-LTD", "EUR", "100", {"IRELAND": 2300}),
        (data.BERLIN, "DE-GMBH", "EUR", "100", {"GERMANY": 1900}),
        (A("FR", "", "75001", "Paris"), "DE-GMBH", "EUR", "100", {"FRANCE": 2000}),
        (A("JP", "", "100-0001", "Tokyo"), "US-INC", "JPY", "125", {"JAPAN": 13}),
    ],
)
async def test_tax_by_jurisdiction(
    to: Address, company: str, currency: str, amount: str, expected: dict[str, int]
) -> None:
    request = data.request(to, company, data.line(amount, currency=currency), currency=currency)
    found = await data.tax(data.engine()).estimate(request)
    assert {row.jurisdiction_name: row.amount.minor for row in found.lines[0].rows} == expected
    assert found.amount.minor == sum(expected.values())
    assert found.lines[0].zero_reason is None
    assert not found.recorded


async def test_an_estimate_reads_the_nexus_list_only_for_zeros_that_do_not_explain_themselves() -> None:
    sandbox = data.engine()
    tax = data.tax(sandbox)
    await tax.estimate(data.request())
    await tax.estimate(data.request(exemption="EX-1"))
    await tax.estimate(data.request(A("US", "CA", "94105", "San Francisco")))
    assert not any("/nexus" in entry["path"] for entry in sandbox.log)
    await tax.estimate(data.request(A("US", "CO", "80202", "Denver")))
    assert any("/nexus" in entry["path"] for entry in sandbox.log)


@pytest.mark.parametrize("shape", ["rows", "none"])
@pytest.mark.parametrize(
    ("to", "reason"),
    [
        (A("US", "CO", "80202", "Denver"), ZeroReason.NO_NEXUS),
        (A("US", "NY", "10001", "New York"), ZeroReason.NO_NEXUS),
        (A("US", "UT", "84101", "Salt Lake City"), ZeroReason.UNEXPLAINED),
        (A("US", "CA", "94105", "San Francisco"), ZeroReason.NOT_TAXABLE),
        (A("US", "OR", "97201", "Portland"), ZeroReason.NOT_TAXABLE),
        (A("FR", "", "75001", "Paris"), ZeroReason.NO_NEXUS),
    ],
)
async def test_zero_reasons(shape: str, to: Address, reason: ZeroReason) -> None:
    found = await data.tax(data.engine(no_nexus_shape=shape)).estimate(data.request(to))
    assert found.amount.minor == 0
    assert found.lines[0].zero_reason is reason


async def test_nexus_begins_on_its_day() -> None:
    tax = data.tax(data.engine())
    to = A("US", "NY", "10001", "New York")
    before = await tax.estimate(data.request(to, on=date(2026, 11, 30)))
    after = await tax.estimate(data.request(to, on=date(2026, 12, 1)))
    assert (before.amount.minor, after.amount.minor) == (0, 1110)


async def test_nexus_ends_with_its_last_day() -> None:
    tax = data.tax(data.engine())
    to = A("US", "UT", "84101", "Salt Lake City")
    assert (await tax.estimate(data.request(to, on=date(2026, 5, 31)))).amount.minor > 0
    assert (await tax.estimate(data.request(to, on=date(2026, 6, 1)))).amount.minor == 0


async def test_an_exempt_customer() -> None:
    found = await data.tax(data.engine()).estimate(data.request(exemption="EX-1"))
    assert (found.amount.minor, found.lines[0].zero_reason) == (0, ZeroReason.EXEMPT)


async def test_lines_are_judged_one_by_one() -> None:
    request = data.request(
        data.PHILADELPHIA,
        "US-INC",
        data.line("125.00"),
        data.line("9500.00", "S0000000", "QL-2"),
        data.line("10.00", "NT", "QL-3"),
        data.line("0", lineage="QL-4"),
    )
    found = await data.tax(data.engine()).estimate(request)
    assert [(line.lineage_id, line.amount.minor, line.zero_reason) for line in found.lines] == [
        ("QL-1", 1000, None),
        ("QL-2", 0, ZeroReason.NOT_TAXABLE),
        ("QL-3", 0, ZeroReason.NOT_TAXABLE),
        ("QL-4", 0, ZeroReason.ZERO_BASE),
    ]


@pytest.mark.parametrize(
    ("to", "company", "vat_id", "reason", "text"),
    [
        (
            A("NL", "", "1012 AB", "Amsterdam"),
            "DE-GMBH",
            "NL123456789B01",
            ZeroReason.REVERSE_CHARGE,
            "Article 196",
        ),
        (A("FR", "", "75001", "Paris"), "DE-GMBH", "FR12345678901", ZeroReason.REVERSE_CHARGE, "Article 196"),
        (A("IE", "", "D02", "Dublin"), "UK-LTD", "IE1234567A", ZeroReason.REVERSE_CHARGE, "Article 196"),
        (A("GB", "", "EC2R", "London"), "DE-GMBH", "GB999999999", ZeroReason.REVERSE_CHARGE, "HMRC"),
        (A("NL", "", "1012 AB", "Amsterdam"), "DE-GMBH", None, ZeroReason.NO_NEXUS, None),
        (A("NL", "", "1012 AB", "Amsterdam"), "DE-GMBH", "FR12345678901", ZeroReason.NO_NEXUS, None),
        (A("NL", "", "1012 AB", "Amsterdam"), "US-INC", "NL123456789B01", ZeroReason.NO_NEXUS, None),
        (data.BERLIN, "DE-GMBH", "DE987654321", None, None),
    ],
)
async def test_reverse_charge(
    to: Address, company: str, vat_id: str | None, reason: ZeroReason | None, text: str | None
) -> None:
    request = data.request(to, company, data.line("100", currency="EUR"), currency="EUR", vat_id=vat_id)
    found = await data.tax(data.engine()).estimate(request)
    assert found.lines[0].zero_reason is reason
    if text is None:
        assert found.messages == ()
    else:
        assert text in found.messages[0]


async def test_estimates_are_never_recorded() -> None:
    sandbox = data.engine()
    tax = data.tax(sandbox)
    first, second = await tax.estimate(data.request()), await tax.estimate(data.request())
    assert first == second
    assert (first.document_id, sandbox.state["documents"], dict(sandbox.effects)) == (None, {}, {})


async def test_an_estimate_that_was_recorded_all_the_same_is_misconfigured() -> None:
    sandbox = data.engine()
    tax = data.tax(sandbox)
    body, raw = await tax.client.create_transaction(
        {
            "type": "SalesInvoice",
            "companyCode": "US-INC",
            "code": "INV-1",
            "date": "2026-11-01",
            "customerCode": "C",
        }
        | {"addresses": {"singleLocation": {"region": "PA", "postalCode": "19147", "country": "USA"}}}
        | {"lines": [{"number": "1", "amount": "125.00", "taxCode": "SW054000", "ref1": "QL-1"}]}
    )
    assert body.id
    sandbox.faults.add(data.fixed_answer(raw))
    with pytest.raises(Misconfigured) as failed:
        await tax.estimate(data.request())
    assert failed.value.code == "estimate-recorded"


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"ship_to": A("US", "PA", "20500", "Washington")}, "tax-address-refused", "Addresses[1]"),
        ({"lines": ()}, "tax-request-refused", "lines"),
        ({"customer_code": ""}, "tax-request-refused", "customerCode"),
        ({"customer_code": "C" * 51}, "tax-request-refused", None),
    ],
)
async def test_what_the_engine_refuses_is_rejected_by_name(
    changes: dict[str, object], code: str, field: str | None
) -> None:
    with pytest.raises(Rejected) as refused:
        await data.tax(data.engine()).estimate(data.request().model_copy(update=changes))
    assert (refused.value.code, refused.value.field) == (code, field)


async def test_an_estimate_for_an_unknown_company_is_misconfigured() -> None:
    with pytest.raises(Misconfigured) as failed:
        await data.tax(data.engine()).estimate(data.request().model_copy(update={"company": "NOBODY"}))
    assert (failed.value.code, failed.value.field) == ("tax-company-unknown", "CompanyCode")


async def test_odd_names_survive() -> None:
    odd = data.line().model_copy(
        update={"description": 'He said "1,000"\n; DROP\ttable 🚀' + "x" * 3000, "item_code": "A,\"B'🚀"}
    )
    to = A("US", "PA", "19147", 'Phila,\n"delphia" 🚀')
    found = await data.tax(data.engine()).estimate(data.request(to, "US-INC", odd))
    assert found.amount.minor == 1000


async def test_a_document_of_many_lines() -> None:
    lines = [data.line("1.01", lineage=f"QL-{n}") for n in range(2000)]
    found = await data.tax(data.engine()).estimate(data.request(data.PHILADELPHIA, "US-INC", *lines))
    assert len(found.lines) == 2000
    assert found.amount.minor == 2000 * (6 + 2)


async def test_over_real_http() -> None:
    sandbox = data.engine(page_size=2)
    async with serve(sandbox) as url:
        tax = MANIFEST.build(data.settings(sandbox, url), None)["tax"]
        assert (await tax.check()).well
        assert set(await tax.nexus("DE-GMBH")) == set(data.NEXUS["DE-GMBH"])
        assert (await tax.resolve_address(data.PHILADELPHIA)).resolved
        assert (await tax.estimate(data.request())).amount.minor == 1000
        await MANIFEST.close({"tax": tax})


def test_the_manifest_names_its_sandbox() -> None:
    assert MANIFEST.roles == ("tax",)
    assert type(data.engine()) is MANIFEST.sandbox_type()
    transport = SandboxTransport(data.engine())
    assert isinstance(MANIFEST.build(data.settings(data.engine()), transport)["tax"], AvalaraTax)
