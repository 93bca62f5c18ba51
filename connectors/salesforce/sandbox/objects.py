"""What the org knows: objects, fields, lookups and child relationships, as far as quotes and contracts need them.

A field is `name: type`; the types are those of a describe call. `lookups` names the parent object of a reference.
"""

from dataclasses import dataclass, field

TEXT, AREA, NUMBER, MONEY, PERCENT = "string", "textarea", "double", "currency", "percent"
FLAG, DAY, STAMP, LOOKUP, PICK = "boolean", "date", "datetime", "reference", "picklist"

# Written by the org itself: refused in a body.
SYSTEM = {
    "Id": "id",
    "CreatedDate": STAMP,
    "LastModifiedDate": STAMP,
    "SystemModstamp": STAMP,
    "IsDeleted": FLAG,
}


@dataclass
class ObjectType:
    """One object of the org. `computed` fields cannot be written; `unique` ones are external ids."""

    name: str
    prefix: str
    fields: dict[str, str]
    lookups: dict[str, str] = field(default_factory=dict)
    children: dict[str, tuple[str, str]] = field(default_factory=dict)
    computed: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    unique: frozenset[str] = frozenset()
    lengths: dict[str, int] = field(default_factory=dict)

    def type_of(self, name: str) -> str | None:
        """The type of a field, or None when there is no such field."""
        return SYSTEM.get(name) or self.fields.get(name)

    def actual(self, name: str) -> str | None:
        """The field's own spelling: names are not case sensitive."""
        wanted = name.lower()
        for known in (*SYSTEM, *self.fields):
            if known.lower() == wanted:
                return known
        return None


def relationship(lookup: str) -> str:
    """The name by which a query walks a lookup: `AccountId` is `Account`, `X__c` is `X__r`."""
    if lookup.endswith("__c"):
        return lookup[:-1] + "r"
    return lookup.removesuffix("Id")


def _sbqq(names: str, kind: str) -> dict[str, str]:
    return {f"SBQQ__{name}__c": kind for name in names.split()}


def _plain(names: str, kind: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), kind)


_ADDRESS = "Name Street City State PostalCode Country"
_QUOTE_ADDRESSES = " ".join(f"{role}{part}" for role in ("Billing", "Shipping") for part in _ADDRESS.split())


def _account() -> ObjectType:
    names = " ".join(f"{role}{part}" for role in ("Billing", "Shipping") for part in _ADDRESS.split()[1:])
    return ObjectType(
        "Account",
        "001",
        fields=_plain("Name ERP_Id__c " + names, TEXT)
        | _plain("ParentId", LOOKUP)
        | _plain("IsPersonAccount", FLAG)
        | _plain("Otc_Vat_Id__c Otc_Region__c Otc_Exemption_Number__c", TEXT)
        | _sbqq("RenewalModel TaxExempt ContractCoTermination", PICK),
        lookups={"ParentId": "Account"},
        computed=frozenset({"IsPersonAccount"}),
        required=frozenset({"Name"}),
        unique=frozenset({"ERP_Id__c"}),
        lengths={"Name": 255},
    )


def _opportunity() -> ObjectType:
    return ObjectType(
        "Opportunity",
        "006",
        fields=_plain("Name StageName CurrencyIsoCode Otc_Subscription__c", TEXT)
        | _plain("AccountId Pricebook2Id ContractId SBQQ__PrimaryQuote__c", LOOKUP)
        | _plain("IsWon IsClosed SBQQ__Contracted__c SBQQ__Ordered__c SBQQ__Renewal__c", FLAG)
        | _plain("CloseDate", DAY)
        | _plain("Amount", MONEY),
        lookups={
            "AccountId": "Account",
            "SBQQ__PrimaryQuote__c": "SBQQ__Quote__c",
            "ContractId": "Contract",
        },
        computed=frozenset({"IsWon", "IsClosed"}),
        required=frozenset({"Name", "StageName", "CloseDate"}),
        lengths={"Name": 120, "Otc_Subscription__c": 80},
    )


def _quote() -> ObjectType:
    return ObjectType(
        "SBQQ__Quote__c",
        "a0q",
        fields=_plain("Name CurrencyIsoCode", TEXT)
        | _sbqq("Account Opportunity2 PrimaryContact PriceBook MasterContract", LOOKUP)
        | _sbqq("Status Type BillingFrequency PaymentTerms ContractingMethod", PICK)
        | _sbqq("Primary Ordered Uncalculated", FLAG)
        | _sbqq("StartDate EndDate", DAY)
        | _sbqq("LastCalculatedOn LastSavedOn", STAMP)
        | _sbqq("SubscriptionTerm LineItemCount", NUMBER)
        | _sbqq("CustomerDiscount PartnerDiscount", PERCENT)
        | _sbqq("ListAmount RegularAmount CustomerAmount NetAmount", MONEY)
        | _sbqq(_QUOTE_ADDRESSES, TEXT)
        | _plain(
            "Otc_Operation__c Otc_Content_Hash__c Otc_State__c Otc_Subscription__c Otc_Erp_Document__c", TEXT
        )
        | _plain("Otc_Gateway_Customer__c Otc_Payment_Method__c Otc_Purchase_Order__c", TEXT)
        | _plain("Otc_Bill_To_Contact__c Otc_Sold_To_Contact__c", LOOKUP)
        | _plain("Otc_Autopay__c", FLAG),
        lookups={
            "SBQQ__Account__c": "Account",
            "SBQQ__Opportunity2__c": "Opportunity",
            "SBQQ__PrimaryContact__c": "Contact",
            "Otc_Bill_To_Contact__c": "Contact",
            "Otc_Sold_To_Contact__c": "Contact",
        },
        children={"SBQQ__LineItems__r": ("SBQQ__QuoteLine__c", "SBQQ__Quote__c")},
        computed=frozenset(
            {
                "Name",
                "SBQQ__Uncalculated__c",
                "SBQQ__NetAmount__c",
                "SBQQ__ListAmount__c",
                "SBQQ__LineItemCount__c",
            }
            | {"SBQQ__RegularAmount__c", "SBQQ__CustomerAmount__c"}
        ),
        lengths={
            "Otc_Operation__c": 255,
            "Otc_Content_Hash__c": 64,
            "Otc_State__c": 20,
            "Otc_Subscription__c": 80,
        },
    )


_PRICES = "ListPrice SpecialPrice ProratedListPrice RegularPrice CustomerPrice PartnerPrice NetPrice"
_DISCOUNTS = "Discount VolumeDiscount PartnerDiscount DistributorDiscount OptionDiscount Uplift MarkupRate"


def _quote_line() -> ObjectType:
    return ObjectType(
        "SBQQ__QuoteLine__c",
        "a0u",
        fields=_plain("Name CurrencyIsoCode", TEXT)
        | _sbqq("Quote Product RequiredBy Group", LOOKUP)
        | _sbqq("ProductCode SegmentKey SegmentLabel", TEXT)
        | _sbqq("Description", AREA)
        | _sbqq(
            "Number Quantity PriorQuantity EffectiveQuantity OptionLevel SegmentIndex ProrateMultiplier",
            NUMBER,
        )
        | _sbqq("DefaultSubscriptionTerm SubscriptionTerm", NUMBER)
        | _sbqq("Bundle Bundled Existing Renewal", FLAG)
        | _sbqq(_PRICES + " NetTotal PackageTotal ComponentTotal AdditionalDiscountAmount", MONEY)
        | _sbqq(_DISCOUNTS, PERCENT)
        | _sbqq(
            "OptionType SubscriptionPricing SubscriptionType BillingFrequency BillingType ChargeType", PICK
        )
        | _sbqq("PricingMethod DiscountScheduleType", PICK)
        | _sbqq("StartDate EndDate EffectiveStartDate EffectiveEndDate", DAY),
        lookups={
            "SBQQ__Quote__c": "SBQQ__Quote__c",
            "SBQQ__Product__c": "Product2",
            "SBQQ__RequiredBy__c": "SBQQ__QuoteLine__c",
        },
        children={"Otc_Usage_Tiers__r": ("Otc_Usage_Tier__c", "Otc_Quote_Line__c")},
        computed=frozenset(
            f"SBQQ__{name}__c"
            for name in (
                "ProductCode EffectiveQuantity NetTotal PackageTotal EffectiveStartDate EffectiveEndDate"
            ).split()
        ),
        required=frozenset({"SBQQ__Quote__c"}),
    )


def _small() -> list[ObjectType]:
    return [
        ObjectType(
            "Product2",
            "01t",
            fields=_plain("Name ProductCode QuantityUnitOfMeasure", TEXT) | _plain("IsActive", FLAG),
            required=frozenset({"Name"}),
        ),
        ObjectType(
            "Contact",
            "003",
            fields=_plain("FirstName LastName Name Email", TEXT) | _plain("AccountId", LOOKUP),
            lookups={"AccountId": "Account"},
            computed=frozenset({"Name"}),
            required=frozenset({"LastName"}),
            lengths={"FirstName": 40, "LastName": 80, "Email": 80},
        ),
        ObjectType(
            "Otc_Usage_Tier__c",
            "a1t",
            fields=_plain("Otc_Quote_Line__c", LOOKUP)
            | _plain("Otc_From__c Otc_To__c Otc_Unit_Price__c", NUMBER)
            | _plain("Otc_Flat__c", FLAG),
            lookups={"Otc_Quote_Line__c": "SBQQ__QuoteLine__c"},
        ),
        ObjectType(
            "Contract",
            "800",
            fields=_plain("AccountId SBQQ__Order__c SBQQ__Quote__c SBQQ__Opportunity__c", LOOKUP)
            | _plain("Status ContractNumber", TEXT)
            | _plain("StartDate EndDate", DAY)
            | _plain("ContractTerm", NUMBER),
            lookups={
                "AccountId": "Account",
                "SBQQ__Quote__c": "SBQQ__Quote__c",
                "SBQQ__Opportunity__c": "Opportunity",
            },
            children={"SBQQ__Subscriptions__r": ("SBQQ__Subscription__c", "SBQQ__Contract__c")},
            required=frozenset({"AccountId"}),
        ),
        ObjectType(
            "SBQQ__Subscription__c",
            "a1s",
            fields=_sbqq("Contract Account Product QuoteLine", LOOKUP)
            | _sbqq("Quantity NetPrice ListPrice", NUMBER)
            | _sbqq("SubscriptionStartDate SubscriptionEndDate", DAY),
            lookups={"SBQQ__Contract__c": "Contract", "SBQQ__QuoteLine__c": "SBQQ__QuoteLine__c"},
        ),
    ]


def org_schema(*, multi_currency: bool = True, person_accounts: bool = True) -> dict[str, ObjectType]:
    """All objects of the org. Some fields exist only where a feature is switched on."""
    types = [_account(), _opportunity(), _quote(), _quote_line(), *_small()]
    for one in types:
        if not multi_currency:
            one.fields.pop("CurrencyIsoCode", None)
        if not person_accounts:
            one.fields.pop("IsPersonAccount", None)
    return {one.name: one for one in types}
