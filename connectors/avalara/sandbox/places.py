"""Which postal codes belong to which state or province: enough geography to tell a good address from a bad one."""

import zlib
from typing import NamedTuple

# Three-digit ZIP prefixes by state, as inclusive ranges.
_STATES = {
    "AK": "995-999",
    "AL": "350-352 354-369",
    "AR": "716-729",
    "AZ": "850-853 855-857 859-860 863-865",
    "CA": "900-908 910-928 930-961",
    "CO": "800-816",
    "CT": "060-069",
    "DC": "200 202-205 569",
    "DE": "197-199",
    "FL": "320-339 341-342 344 346-347 349",
    "GA": "300-319 398-399",
    "HI": "967-968",
    "IA": "500-516 520-528",
    "ID": "832-838",
    "IL": "600-620 622-629",
    "IN": "460-479",
    "KS": "660-662 664-679",
    "KY": "400-427",
    "LA": "700-701 703-708 710-714",
    "MA": "010-027 055",
    "MD": "206-212 214-219",
    "ME": "039-049",
    "MI": "480-499",
    "MN": "550-551 553-567",
    "MO": "630-631 633-641 644-658",
    "MS": "386-397",
    "MT": "590-599",
    "NC": "270-289",
    "ND": "580-588",
    "NE": "680-681 683-693",
    "NH": "030-038",
    "NJ": "070-089",
    "NM": "870-871 873-875 877-884",
    "NV": "889-891 893-895 897-898",
    "NY": "005 063 100-149",
    "OH": "430-459",
    "OK": "730-731 734-741 743-749",
    "OR": "970-979",
    "PA": "150-196",
    "PR": "006-007 009",
    "RI": "028-029",
    "SC": "290-299",
    "SD": "570-577",
    "TN": "370-385",
    "TX": "733 750-770 772-799 885",
    "UT": "840-847",
    "VA": "201 220-246",
    "VT": "050-054 056-059",
    "WA": "980-986 988-994",
    "WI": "530-532 534-535 537-549",
    "WV": "247-268",
    "WY": "820-831",
}
# First letters of Canadian postal codes by province.
_PROVINCES = {
    "AB": "T",
    "BC": "V",
    "MB": "R",
    "NB": "E",
    "NL": "A",
    "NS": "B",
    "NT": "X",
    "NU": "X",
    "ON": "KLMNP",
    "PE": "C",
    "QC": "GHJ",
    "SK": "S",
    "YT": "Y",
}


class Problem(NamedTuple):
    """Why an address cannot be used: a headline, a sentence, the field, and how far it could be placed."""

    summary: str
    details: str
    field: str
    quality: str


def _expand(ranges: str) -> frozenset[str]:
    found: set[str] = set()
    for part in ranges.split():
        first, _, last = part.partition("-")
        found.update(f"{n:03d}" for n in range(int(first), int(last or first) + 1))
    return frozenset(found)


_PREFIXES = {state: _expand(ranges) for state, ranges in _STATES.items()}
_ALL_PREFIXES = frozenset().union(*_PREFIXES.values())


def country_code(text: str) -> str:
    """`USA` and `US` are one country on this wire."""
    upper = text.strip().upper()
    return {"USA": "US", "UNITED STATES": "US", "CAN": "CA", "GBR": "GB", "UK": "GB"}.get(upper, upper)


def _us(region: str, code: str) -> Problem | None:
    if region and region not in _PREFIXES:
        return Problem("Invalid region.", f"{region} is not a state of the US.", "Address.Region", "NotCoded")
    if not code:
        return None
    digits = code.replace("-", "").replace(" ", "")
    if not digits.isdigit() or len(digits) not in (5, 9) or digits[:3] not in _ALL_PREFIXES:
        text = "The postal code does not exist in the US."
        return Problem("Invalid ZIP/Postal Code.", text, "Address.PostalCode", "NotCoded")
    if region and digits[:3] not in _PREFIXES[region]:
        text = "Zip is not valid for the state."
        return Problem("Invalid ZIP/Postal Code.", text, "Address.PostalCode", "RegionCentroid")
    return None


def _ca(region: str, code: str) -> Problem | None:
    if region and region not in _PROVINCES:
        text = f"{region} is not a province of Canada."
        return Problem("Invalid region.", text, "Address.Region", "NotCoded")
    if not code:
        return None
    packed = code.replace(" ", "").upper()
    shape = len(packed) == 6 and packed[0::2].isalpha() and packed[1::2].isdigit()
    if not shape or packed[0] not in "".join(_PROVINCES.values()):
        text = "The postal code does not exist in Canada."
        return Problem("Invalid ZIP/Postal Code.", text, "Address.PostalCode", "NotCoded")
    if region and packed[0] not in _PROVINCES[region]:
        text = "Zip is not valid for the state."
        return Problem("Invalid ZIP/Postal Code.", text, "Address.PostalCode", "RegionCentroid")
    return None


def problem(country: str, region: str, postal_code: str) -> Problem | None:
    """What is wrong with the combination, or None. Countries other than the US and Canada are not looked at."""
    place = region.strip().upper()
    if country == "US":
        return _us(place, postal_code.strip())
    if country == "CA":
        return _ca(place, postal_code.strip())
    return None


def state_of(postal_code: str) -> str:
    """The state that a ZIP belongs to, empty when there is none."""
    return next((state for state, found in _PREFIXES.items() if postal_code[:3] in found), "")


def full_postal_code(country: str, postal_code: str, line1: str) -> str:
    """The code as the post writes it: ZIP+4 for a street in the US, `A1A 1A1` in Canada."""
    packed = postal_code.replace(" ", "").replace("-", "").upper()
    if country == "CA":
        return f"{packed[:3]} {packed[3:]}"
    if not line1 or len(packed) != 5:
        return packed if len(packed) <= 5 else f"{packed[:5]}-{packed[5:]}"
    return f"{packed}-{zlib.crc32(line1.upper().encode()) % 9000 + 1000}"
