"""Jurisdictions, rates and taxability as this engine knows them. Rates are fractions, as texts."""

from decimal import Decimal
from typing import NamedTuple


class Jurisdiction(NamedTuple):
    """A place that taxes: its type on the wire (STA, CTY, CIT, STJ, CNT), code, name, tax and rate."""

    type: str
    code: str
    name: str
    tax_name: str
    tax_type: str
    rate: Decimal


LONG_TYPES = {"CNT": "Country", "STA": "State", "CTY": "County", "CIT": "City", "STJ": "Special"}

# State: FIPS code, name, general rate.
_STATES = """01 AL ALABAMA .04|02 AK ALASKA 0|04 AZ ARIZONA .056|05 AR ARKANSAS .065|06 CA CALIFORNIA .06
08 CO COLORADO .029|09 CT CONNECTICUT .0635|10 DE DELAWARE 0|11 DC DISTRICT OF COLUMBIA .06
12 FL FLORIDA .06|13 GA GEORGIA .04|15 HI HAWAII .04|16 ID IDAHO .06|17 IL ILLINOIS .0625|18 IN INDIANA .07
19 IA IOWA .06|20 KS KANSAS .065|21 KY KENTUCKY .06|22 LA LOUISIANA .05|23 ME MAINE .055|24 MD MARYLAND .06
25 MA MASSACHUSETTS .0625|26 MI MICHIGAN .06|27 MN MINNESOTA .06875|28 MS MISSISSIPPI .07
29 MO MISSOURI .04225|30 MT MONTANA 0|31 NE NEBRASKA .055|32 NV NEVADA .0685|33 NH NEW HAMPSHIRE 0
34 NJ NEW JERSEY .06625|35 NM NEW MEXICO .04875|36 NY NEW YORK .04|37 NC NORTH CAROLINA .0475
38 ND NORTH DAKOTA .05|39 OH OHIO .0575|40 OK OKLAHOMA .045|41 OR OREGON 0|42 PA PENNSYLVANIA .06
44 RI RHODE ISLAND .07|45 SC SOUTH CAROLINA .06|46 SD SOUTH DAKOTA .042|47 TN TENNESSEE .07
48 TX TEXAS .0625|49 UT UTAH .0485|50 VT VERMONT .06|51 VA VIRGINIA .043|53 WA WASHINGTON .065
54 WV WEST VIRGINIA .06|55 WI WISCONSIN .05|56 WY WYOMING .04|72 PR PUERTO RICO .105"""

# Below the state: by ZIP prefix, the longest prefix wins.
_LOCAL = {
    "191": (("CTY", "101", "PHILADELPHIA", ".02"),),
    "152": (("CTY", "003", "ALLEGHENY", ".01"),),
    "100": (
        ("CIT", "51000", "NEW YORK CITY", ".045"),
        ("STJ", "359071", "METROPOLITAN COMMUTER TRANSPORTATION DISTRICT", ".00375"),
    ),
    "112": (
        ("CIT", "51000", "NEW YORK CITY", ".045"),
        ("STJ", "359071", "METROPOLITAN COMMUTER TRANSPORTATION DISTRICT", ".00375"),
    ),
    "787": (("CIT", "05000", "AUSTIN", ".01"), ("STJ", "6000817", "AUSTIN MTA TRANSIT", ".01")),
    "752": (("CIT", "19000", "DALLAS", ".01"), ("STJ", "6000814", "DALLAS MTA TRANSIT", ".01")),
    "770": (("CIT", "35000", "HOUSTON", ".01"), ("STJ", "6000818", "HOUSTON MTA TRANSIT", ".01")),
    "981": (("CIT", "63000", "SEATTLE", ".0265"), ("STJ", "4012345", "REGIONAL TRANSIT AUTHORITY", ".014")),
    "98110": (("CIT", "03736", "BAINBRIDGE ISLAND", ".027"),),
    "941": (
        ("CTY", "075", "SAN FRANCISCO", ".0125"),
        ("STJ", "940001", "SAN FRANCISCO COUNTY DISTRICT TAX SP", ".01375"),
    ),
    "900": (
        ("CTY", "037", "LOS ANGELES", ".0125"),
        ("STJ", "900001", "LOS ANGELES COUNTY DISTRICT TAX SP", ".025"),
    ),
    "606": (
        ("CTY", "031", "COOK", ".0175"),
        ("CIT", "14000", "CHICAGO", ".0125"),
        ("STJ", "170001", "RTA", ".01"),
    ),
    "372": (("CTY", "037", "DAVIDSON", ".0225"),),
    "841": (("CTY", "035", "SALT LAKE", ".0135"), ("STJ", "490001", "SALT LAKE TRANSIT", ".0165")),
    "850": (("CTY", "013", "MARICOPA", ".007"), ("CIT", "55000", "PHOENIX", ".028")),
}

# Cloud services (SW05*) are taxed here; the fraction is the taxed part of the price.
_CLOUD = {
    **dict.fromkeys("AZ CT DC HI KY MA MS NM NY PA RI SC SD TN UT WA WV PR".split(), Decimal(1)),
    "TX": Decimal("0.8"),
}
# Services (S*) are taxed here.
_SERVICES = frozenset({"HI", "NM", "SD"})
# Digital goods (D*) are free here, although goods are not.
_NO_DIGITAL = frozenset("CA FL GA IL KS MA MI MO NV NY ND OK VA WV".split())

_PROVINCES = {
    "AB": (("CNT", "GST", ".05"),),
    "BC": (("CNT", "GST", ".05"), ("STA", "PST", ".07")),
    "MB": (("CNT", "GST", ".05"), ("STA", "PST", ".07")),
    "NB": (("STA", "HST", ".15"),),
    "NL": (("STA", "HST", ".15"),),
    "NS": (("STA", "HST", ".14"),),
    "NT": (("CNT", "GST", ".05"),),
    "NU": (("CNT", "GST", ".05"),),
    "ON": (("STA", "HST", ".13"),),
    "PE": (("STA", "HST", ".15"),),
    "QC": (("CNT", "GST", ".05"), ("STA", "QST", ".09975")),
    "SK": (("CNT", "GST", ".05"), ("STA", "PST", ".06")),
    "YT": (("CNT", "GST", ".05"),),
}

_VAT = """AT AUSTRIA .20|BE BELGIUM .21|BG BULGARIA .20|CY CYPRUS .19|CZ CZECHIA .21|DE GERMANY .19
DK DENMARK .25|EE ESTONIA .24|ES SPAIN .21|FI FINLAND .255|FR FRANCE .20|GR GREECE .24|HR CROATIA .25
HU HUNGARY .27|IE IRELAND .23|IT ITALY .22|LT LITHUANIA .21|LU LUXEMBOURG .17|LV LATVIA .21|MT MALTA .18
NL NETHERLANDS .21|PL POLAND .23|PT PORTUGAL .23|RO ROMANIA .21|SE SWEDEN .25|SI SLOVENIA .22
SK SLOVAKIA .23|GB UNITED KINGDOM .20|CH SWITZERLAND .081|NO NORWAY .25"""
_CONSUMPTION = {
    "JP": ("JAPAN", "Consumption Tax", ".10"),
    "AU": ("AUSTRALIA", "GST", ".10"),
    "SG": ("SINGAPORE", "GST", ".09"),
}

EU = frozenset("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split())
VAT_PREFIX = {"GR": "EL"}

TAX_CODES = {
    "D0000000": "Digital goods",
    "FR": "Freight",
    "NT": "Non-taxable product",
    "P0000000": "Tangible personal property (TPP)",
    "S0000000": "Services",
    "SC100000": "Software maintenance",
    "SW054000": "Cloud services - SaaS - service agreement",
    "SW054002": "Cloud services - SaaS - business use only",
}


def _parse_states() -> dict[str, Jurisdiction]:
    found: dict[str, Jurisdiction] = {}
    for row in _STATES.replace("\n", "|").split("|"):
        fips, code, rest = row.split(" ", 2)
        name, rate = rest.rsplit(" ", 1)
        found[code] = Jurisdiction("STA", fips, name, f"{code} STATE TAX", "Sales", Decimal(rate))
    return found


def _parse_vat() -> dict[str, Jurisdiction]:
    found: dict[str, Jurisdiction] = {}
    for row in _VAT.replace("\n", "|").split("|"):
        code, rest = row.split(" ", 1)
        name, rate = rest.rsplit(" ", 1)
        found[code] = Jurisdiction("CNT", code, name, "Standard Rate", "Output", Decimal(rate))
    for code, (name, tax, rate) in _CONSUMPTION.items():
        found[code] = Jurisdiction("CNT", code, name, tax, "Output", Decimal(rate))
    return found


STATES = _parse_states()
COUNTRIES = _parse_vat()
_LOCAL_NAMES = {"CTY": "COUNTY", "CIT": "CITY", "STJ": "SPECIAL"}


def jurisdictions(country: str, region: str, postal_code: str) -> tuple[Jurisdiction, ...]:
    """Everybody who may tax a sale to that place, from the widest to the narrowest."""
    if country == "US":
        if region not in STATES:
            return ()
        fitting = [prefix for prefix in _LOCAL if postal_code.startswith(prefix)]
        local = _LOCAL[max(fitting, key=len)] if fitting else ()
        return STATES[region], *(
            Jurisdiction(kind, code, name, f"{region} {_LOCAL_NAMES[kind]} TAX", "Sales", Decimal(rate))
            for kind, code, name, rate in local
        )
    if country == "CA":
        return tuple(
            Jurisdiction(
                kind,
                region if kind == "STA" else "CA",
                region if kind == "STA" else "CANADA",
                tax,
                tax,
                Decimal(rate),
            )
            for kind, tax, rate in _PROVINCES.get(region, ())
        )
    return (COUNTRIES[country],) if country in COUNTRIES else ()


def taxed_part(tax_code: str, country: str, region: str) -> Decimal:
    """The part of the price that is taxable there for that kind of product: 0, 1, or between."""
    if tax_code.startswith("NT"):
        return Decimal(0)
    if country != "US":
        return Decimal(1)
    if tax_code.startswith("SW05"):
        return _CLOUD.get(region, Decimal(0))
    if tax_code.startswith(("SC", "DC")):
        return Decimal(0) if region in _NO_DIGITAL else Decimal(1)
    if tax_code.startswith("S"):
        return Decimal(region in _SERVICES)
    if tax_code.startswith("D"):
        return Decimal(region not in _NO_DIGITAL)
    return Decimal(1)
