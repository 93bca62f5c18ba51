"""How this tenant is reached, and the facts that differ from tenant to tenant."""

from typing import Literal

from pydantic import Field, SecretStr

from connectors.kit.settings import VendorSettings, vendor_config


class ZuoraSettings(VendorSettings):
    """Environment prefix `REVSAGA_ZUORA_`."""

    model_config = vendor_config("zuora")

    base_url: str = "https://rest.zuora.com"
    client_id: str = Field(description="OAuth client, 36 characters")
    client_secret: SecretStr = Field(description="OAuth secret, at most 42 characters")
    version: str = Field(
        default="2025-08-12", description="sent as Zuora-Version; decides the shape of answers"
    )
    activation: Literal["draft", "trigger_dates"] = Field(
        default="draft",
        description="hold an order as a draft, or as pending until its service activation date is set",
    )
    delete_orders: bool = Field(default=False, description="the tenant lets cancelled drafts be deleted")
    batch: str = "Batch1"
    bill_cycle: Literal["ChargeTriggerDay", "SubscriptionStartDay", "TermStartDay", "DefaultFromCustomer"] = (
        Field(
            default="ChargeTriggerDay",
            description="day on which periods begin; the default counts whole periods from the line's first day",
        )
    )
    discount_plan: str = Field(
        default="DISCOUNT", description="rate plan number of the plan for discount charges"
    )
    rounding_plan: str = Field(
        default="ROUNDING", description="rate plan number of the plan for rounding charges"
    )
    line_field: str = Field(default="QuoteLine__c", description="rate plan: lineage id of the quote line")
    product_field: str = Field(
        default="ProductCode__c", description="rate plan: product code of the quote line"
    )
    service_end_field: str = Field(
        default="ServiceEnd__c",
        description="rate plan: first day no longer served, where a charge has no end of its own",
    )
    correlation_field: str = Field(
        default="Correlation__c", description="order and subscription: correlation id"
    )
    quote_field: str = Field(default="QuoteNumber__c", description="order and subscription: quote id")
    payment_field: str = Field(default="GatewayMethod__c", description="account: opaque payment reference")
    page_size: int = Field(default=40, ge=1, le=40)
    job_polls: int = Field(default=20, ge=1, description="how often a background job is asked for")
    job_interval: float = Field(default=0.5, ge=0, description="seconds between two such questions")
