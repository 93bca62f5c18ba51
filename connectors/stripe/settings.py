"""Where the gateway is, who we are to it, and the API version that we speak."""

from pydantic import Field, SecretStr

from connectors.kit.settings import VendorSettings, vendor_config


class StripeSettings(VendorSettings):
    """One account in one mode; the key selects live or sandbox. Environment variables start with `REVSAGA_STRIPE_`."""

    model_config = vendor_config("stripe")

    base_url: str = "https://api.stripe.com"
    api_key: SecretStr = SecretStr("")
    api_version: str = "2026-10-28.endive"
    account: str | None = None
    """Connected account to act on (`acct_...`); None for our own."""
    payments_searched: int = Field(default=1000, gt=0)
    """How many of a customer's latest payments are searched for one that prepared the method."""
    debit_kinds: tuple[str, ...] = (
        "acss_debit",
        "au_becs_debit",
        "bacs_debit",
        "nz_bank_account",
        "sepa_debit",
        "us_bank_account",
    )
    """Kinds of methods that may never be charged without a mandate."""
