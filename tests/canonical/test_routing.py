"""Which entity sells: one row decides, says why, and two that could are never chosen between."""

from datetime import date
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.entity import Route, RoutingRule, explain, route
from canonical.failures import Rejected
from tests.builders.quotes import a_rule

DAY = date(2026, 6, 1)
RULES = (
    a_rule("us", "US-INC", countries=("US",)),
    a_rule("us-cad", "CA-LTD", countries=("US",), currencies=("CAD",)),
    a_rule("ca", "CA-LTD", countries=("CA",)),
    a_rule("emea", "DE-GMBH", regions=("EMEA",)),
    a_rule("emea-gbp", "UK-LTD", regions=("EMEA",), currencies=("GBP",)),
    a_rule("uk", "UK-LTD", countries=("GB", "IE")),
    a_rule("usd", "US-INC", currencies=("USD",)),
    a_rule("fr-old", "FR-SARL", countries=("FR",), effective_to=date(2026, 1, 1)),
    a_rule("fr-new", "DE-GMBH", countries=("FR",), effective_from=date(2026, 1, 1)),
)
MATRIX: dict[tuple[str, str, str], str] = {
    ("US", "NA", "USD"): "us",
    ("US", "NA", "EUR"): "us",
    ("US", "NA", "CAD"): "us-cad",
    ("CA", "NA", "USD"): "ca",
    ("CA", "NA", "CAD"): "ca",
    ("DE", "EMEA", "EUR"): "emea",
    ("DE", "EMEA", "GBP"): "emea-gbp",
    ("DE", "EMEA", "USD"): "emea",
    ("GB", "EMEA", "GBP"): "uk",
    ("IE", "EMEA", "EUR"): "uk",
    ("IE", "", "EUR"): "uk",
    ("BR", "LATAM", "USD"): "usd",
    ("", "", "USD"): "usd",
    ("FR", "EMEA", "EUR"): "fr-new",
}


def _route(country: str, region: str, currency: str, on: date = DAY) -> Route:
    return route(RULES, currency=currency, country=country, region=region, on=on)


@pytest.mark.parametrize("case", MATRIX)
def test_the_route_matrix(case: tuple[str, str, str]) -> None:
    found = _route(*case)
    rule = next(r for r in RULES if r.rule_id == MATRIX[case])
    assert found == Route(entity=rule.entity, erp=rule.erp, segments=rule.segments, rule_id=rule.rule_id)


def test_rows_count_from_their_first_day_and_not_on_their_last() -> None:
    assert _route("FR", "", "EUR", date(2025, 12, 31)).entity == "FR-SARL"
    assert _route("FR", "", "EUR", date(2026, 1, 1)).entity == "DE-GMBH"
    with pytest.raises(Rejected, match="no routing rule applies"):
        _route("US", "NA", "USD", date(2019, 12, 31))


def test_no_row_at_all_and_two_equal_rows_are_refused_by_name() -> None:
    with pytest.raises(Rejected) as missing:
        _route("BR", "LATAM", "BRL")
    assert (missing.value.code, missing.value.field) == ("route-missing", "quote.legal_entity")
    both = (*RULES, a_rule("us-2", "CA-LTD", countries=("US", "MX")))
    with pytest.raises(Rejected) as tie:
        route(both, currency="USD", country="US", region="", on=DAY)
    assert tie.value.code == "route-ambiguous"
    assert "rules us, us-2 are equally specific" in tie.value.message  # not `usd`, which is less specific


def test_explain_gives_the_word_of_every_row() -> None:
    found, steps = explain(RULES, currency="USD", country="US", region="NA", on=DAY)
    assert found is not None
    said = {step.rule_id: (step.applies, step.why, step.weight) for step in steps}
    assert list(said) == [rule.rule_id for rule in RULES]
    assert said["us"] == (True, "applies, weight 4", 4)
    assert said["us-cad"] == (False, "currency USD is not among CAD", 5)
    assert said["ca"][1] == "country US is not among CA"
    assert said["emea"][1] == "region NA is not among EMEA"
    assert said["fr-old"][1] == "not in force on 2026-06-01"
    assert "(none)" in explain(RULES, currency="USD", country="", region="", on=DAY)[1][0].why


_some = st.sampled_from([(), ("A",), ("B",), ("A", "B")])
rows = st.builds(
    lambda n, **fits: a_rule(f"r{n}", f"E{n % 3}", **fits),
    st.integers(0, 999),
    currencies=_some,
    countries=_some,
    regions=_some,
)


@given(st.lists(rows, max_size=12, unique_by=lambda r: r.rule_id), st.permutations(range(12)))
def test_the_order_of_rows_decides_nothing(rules: list[RoutingRule], order: list[int]) -> None:
    turned = [rules[i] for i in order if i < len(rules)]
    for currency, country, region in product("AB", "AB", "AB"):
        asked: dict[str, Any] = {"currency": currency, "country": country, "region": region, "on": DAY}
        found, steps = explain(rules, **asked)
        assert explain(turned, **asked)[0] == found
        applying = [s for s in steps if s.applies]
        best = [s for s in applying if s.weight == max(a.weight for a in applying)]
        assert (found is None) == (len(best) != 1)
        assert found is None or found.rule_id == best[0].rule_id
