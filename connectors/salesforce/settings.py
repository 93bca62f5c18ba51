"""Where the org is, how we sign in, and how its custom fields are called."""

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from connectors.kit.settings import VendorSettings, vendor_config

_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z][A-Za-z0-9_]{0,79}){0,4}")


class SalesforceSettings(VendorSettings):
    """Settings of one org. Every `field_*` value is an API name; README.md lists what an org deploys.

    `base_url` is the token host: the login host for `jwt`, the My Domain host for `client_credentials`. Data calls go
    to the `instance_url` of the token answer, which must be on the allow-list.
    """

    model_config = vendor_config("salesforce")

    base_url: str = "https://login.salesforce.com"
    allow_hosts: tuple[str, ...] = ("login.salesforce.com", "test.salesforce.com", "*.my.salesforce.com")
    api_version: str = Field(default="62.0", pattern=r"\d\d\.0")
    auth: Literal["jwt", "client_credentials"] = "jwt"
    client_id: str = Field(default="", description="consumer key of the connected app")
    client_secret: SecretStr = SecretStr("")
    username: str = Field(default="", description="integration user that a JWT speaks for")
    private_key: SecretStr = Field(default=SecretStr(""), description="PEM, for jwt")
    audience: str = Field(default="", description="`aud` of the JWT; empty: base_url")
    client_name: str = Field(default="revsaga", description="marks our own writes in change events")

    default_currency: str = Field(
        default="", description="of a single-currency org, which has no CurrencyIsoCode; empty: multicurrency"
    )
    term_unit: Literal["Month", "Day"] = Field(
        default="Month", description="the package's subscription term unit"
    )
    overlap_seconds: int = Field(default=600, ge=0, description="how far each new poll looks back")
    contract_deals: bool = Field(
        default=False, description="write-back sets the deal's contracted flag, unless it is set already"
    )
    quota_wait: float = Field(
        default=900.0, gt=0, description="seconds to wait once the day's calls are used up"
    )

    field_operation: str = "Otc_Operation__c"
    field_content_hash: str = "Otc_Content_Hash__c"
    field_state: str = "Otc_State__c"
    field_subscription: str = "Otc_Subscription__c"
    field_erp_document: str = "Otc_Erp_Document__c"
    field_autopay: str = "Otc_Autopay__c"
    field_gateway_customer: str = "Otc_Gateway_Customer__c"
    field_payment_method: str = "Otc_Payment_Method__c"
    field_purchase_order: str = Field(
        default="Otc_Purchase_Order__c", description="empty: the org keeps none"
    )
    field_bill_to_contact: str = Field(
        default="Otc_Bill_To_Contact__c", description="lookup; empty: not deployed"
    )
    field_sold_to_contact: str = Field(
        default="Otc_Sold_To_Contact__c", description="lookup; empty: not deployed"
    )
    field_approved_at: str = Field(default="", description="DateTime on the quote; empty: the org keeps none")
    field_opportunity_subscription: str = Field(
        default="Otc_Subscription__c", description="on the opportunity"
    )
    field_vat_id: str = "Otc_Vat_Id__c"
    field_region: str = "Otc_Region__c"
    field_exemption_number: str = "Otc_Exemption_Number__c"
    field_line_description: str = Field(default="SBQQ__Description__c", description="empty: do not read one")
    field_unit: str = "SBQQ__Product__r.QuantityUnitOfMeasure"
    tier_object: str = Field(default="Otc_Usage_Tier__c", description="price bands of usage lines")
    tier_line: str = "Otc_Quote_Line__c"
    tier_from: str = "Otc_From__c"
    tier_to: str = "Otc_To__c"
    tier_price: str = "Otc_Unit_Price__c"
    tier_flat: str = "Otc_Flat__c"

    def allowed(self) -> tuple[str, ...]:
        """The listed hosts, and the token host itself."""
        host = urlsplit(self.base_url).netloc
        return (host, *self.allow_hosts)

    @model_validator(mode="after")
    def _names(self) -> Self:
        # These names become part of queries, so nothing but a name may stand there.
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name.startswith(("field_", "tier_")) and value and not _FIELD.fullmatch(value):
                raise ValueError(f"{name} must be the API name of a field, not {value!r}")
        return self
