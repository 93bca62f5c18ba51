"""Forms of VAT numbers, country by country: what fits, and what almost does."""

import pytest

from canonical.vat import EU_COUNTRIES, VAT_FORMS, form_country

FORMS: dict[str, tuple[list[str], list[str]]] = {
    "AT": (["ATU12345678"], ["AT12345678", "ATU1234567"]),
    "BE": (["BE0123456789", "BE1123456789"], ["BE2123456789", "BE123456789"]),
    "BG": (["BG123456789", "BG1234567890"], ["BG12345678"]),
    "CY": (["CY12345678L"], ["CY123456789"]),
    "CZ": (["CZ12345678", "CZ123456789", "CZ1234567890"], ["CZ1234567"]),
    "DE": (["DE123456789", "de 123 456 789", "DE-123.456.789"], ["DE12345678", "123456789", "DE1234567890"]),
    "DK": (["DK12345678"], ["DK1234567"]),
    "EE": (["EE123456789"], ["EE12345678"]),
    "ES": (["ESX12345678", "ES12345678X", "ESX1234567X"], ["ES123456789", "ESX1234567"]),
    "FI": (["FI12345678"], ["FI123456789"]),
    "FR": (["FR12345678901", "FRX1123456789", "FR1X123456789"], ["FR1234567890"]),
    "GB": (
        ["GB123456789", "GB123456789012", "GBGD123", "GBHA500", "XI123456789"],
        ["GB1234567890", "GBGD12"],
    ),
    "GR": (["EL123456789"], ["GR123456789"]),
    "HR": (["HR12345678901"], ["HR1234567890"]),
    "HU": (["HU12345678"], ["HU1234567"]),
    "IE": (["IE1234567T", "IE1234567WA", "IE1A23456L"], ["IE12345678", "IE123456T"]),
    "IT": (["IT12345678901"], ["IT1234567890"]),
    "LT": (["LT123456789", "LT123456789012"], ["LT1234567890"]),
    "LU": (["LU12345678"], ["LU1234567"]),
    "LV": (["LV12345678901"], ["LV1234567890"]),
    "MT": (["MT12345678"], ["MT1234567"]),
    "NL": (["NL123456789B01"], ["NL123456789A01", "NL123456789B1"]),
    "PL": (["PL1234567890"], ["PL123456789"]),
    "PT": (["PT123456789"], ["PT12345678"]),
    "RO": (["RO12", "RO1234567890"], ["RO1", "RO12345678901"]),
    "SE": (["SE123456789012"], ["SE1234567890"]),
    "SI": (["SI12345678"], ["SI1234567"]),
    "SK": (["SK1234567890"], ["SK123456789"]),
    "CH": (["CHE123456789", "CHE-123.456.789 MWST", "CHE123456789TVA"], ["CH123456789", "CHE123456789VAT"]),
    "NO": (["NO123456789", "NO123456789MVA"], ["NO12345678"]),
}


def test_every_country_has_examples() -> None:
    assert set(FORMS) == set(VAT_FORMS)
    assert set(EU_COUNTRIES) < set(VAT_FORMS)
    assert len(EU_COUNTRIES) == len(set(EU_COUNTRIES)) == 27


@pytest.mark.parametrize("country", FORMS)
def test_forms(country: str) -> None:
    fitting, failing = FORMS[country]
    assert {text: form_country(text) for text in fitting} == dict.fromkeys(fitting, country)
    assert {text: form_country(text) for text in failing} == dict.fromkeys(failing)


@pytest.mark.parametrize(
    "text", ["", " ", "DE", "DE１２３４５６７８９", "🚀", "DE123456789\n; DROP", "X" * 10_000]
)
def test_anything_else_fits_nothing(text: str) -> None:
    assert form_country(text) is None
