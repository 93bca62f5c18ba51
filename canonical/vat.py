"""VAT numbers by form. A form is not a proof: the number itself is checked by the tax engine or the authority."""

import re

EU_COUNTRIES = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()
VAT_FORMS: dict[str, str] = {
    "AT": r"ATU\d{8}", "BE": r"BE[01]\d{9}", "BG": r"BG\d{9,10}", "CY": r"CY\d{8}[A-Z]", "CZ": r"CZ\d{8,10}",
    "DE": r"DE\d{9}", "DK": r"DK\d{8}", "EE": r"EE\d{9}", "ES": r"ES([A-Z]\d{7}[A-Z0-9]|\d{8}[A-Z])", "FI": r"FI\d{8}",
    "FR": r"FR[A-Z0-9]{2}\d{9}", "GB": r"(GB|XI)(\d{9}|\d{12}|GD\d{3}|HA\d{3})", "GR": r"EL\d{9}", "HR": r"HR\d{11}",
    "HU": r"HU\d{8}", "IE": r"IE\d[A-Z0-9+*]\d{5}[A-Z]{1,2}", "IT": r"IT\d{11}", "LT": r"LT(\d{9}|\d{12})",
    "LU": r"LU\d{8}", "LV": r"LV\d{11}", "MT": r"MT\d{8}", "NL": r"NL\d{9}B\d{2}", "PL": r"PL\d{10}",
    "PT": r"PT\d{9}", "RO": r"RO\d{2,10}", "SE": r"SE\d{12}", "SI": r"SI\d{8}", "SK": r"SK\d{10}",
    "CH": r"CHE\d{9}(MWST|TVA|IVA)?", "NO": r"NO\d{9}(MVA)?",
}  # fmt: skip
"""Forms of VAT numbers with their country prefix (European Commission, VIES FAQ; HMRC; national authorities).

Northern Ireland trades goods under XI and has GB addresses."""


def form_country(vat_id: str) -> str | None:
    """The country whose form `vat_id` has (blanks, dots and dashes ignored), or None when it fits none."""
    compact = re.sub(r"[\s.\-]", "", vat_id.upper())
    return next(
        (country for country, form in VAT_FORMS.items() if re.fullmatch(form, compact, re.ASCII)), None
    )
