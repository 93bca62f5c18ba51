"""Settings of the installation: where Temporal and the store are, which vendor plays which role."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from canonical.failures import Misconfigured


def adopt_secrets() -> None:
    """Take `REVSAGA_SECRETS_DIR` into the environment: its file `revsaga_x_y` becomes `REVSAGA_X_Y_FILE`.

    A value that is set already, or another file for it, wins. Raises Misconfigured `secrets-unreadable`.
    """
    folder = os.environ.get("REVSAGA_SECRETS_DIR")
    if not folder:
        return
    try:
        names = sorted(path.name for path in Path(folder).iterdir() if path.is_file())
    except OSError as error:
        raise Misconfigured(
            f"the folder of secrets cannot be read: {error}",
            code="secrets-unreadable",
            field="REVSAGA_SECRETS_DIR",
            fix="correct REVSAGA_SECRETS_DIR, or let this user read the folder",
        ) from error
    for name in names:
        variable = name.upper()
        if variable.startswith("REVSAGA_") and variable not in os.environ:
            os.environ.setdefault(f"{variable}_FILE", str(Path(folder) / name))


class Settings(BaseSettings):
    """Read once, when the worker or a command starts. Each value is `REVSAGA_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix="REVSAGA_", frozen=True, extra="ignore")

    database_url: str = Field(
        default="", description="PostgreSQL; a file may hold it: REVSAGA_DATABASE_URL_FILE"
    )
    database_pool: int = Field(default=8, gt=0)
    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    temporal_ui: str = Field(default="", description="address of the Web UI, for links")
    queue: str = Field(
        default="revsaga-core", description="task queue of the sagas; the roles' queues are named beside it"
    )
    clock: Literal["system", "simulated"] = "system"
    crm: str = "salesforce"
    cpq: str = "salesforce"
    billing: str = "zuora"
    payments: str = "stripe"
    tax: str = "avalara"
    erp: str = "netsuite"
    waits_for_contract: bool = Field(
        default=False, description="the CRM makes contracts of ordered deals: keep their id"
    )
    catalog_patience_hours: int = Field(
        default=72, description="how long a deal waits for products before a person is asked"
    )
    watch_minutes: int = Field(default=5, gt=0, description="how often the deal watch looks")
    lease_seconds: int = Field(default=120, description="after which the lease of a killed worker comes back")
    lost_after_seconds: int = Field(
        default=300, description="after which a request without an answer can no longer land at a vendor"
    )
    metrics_address: str = Field(default="", description="host:port for Prometheus; empty: none")
    health_address: str = Field(default="", description="host:port for the health page; empty: none")
    deployment: str = Field(default="revsaga", description="worker deployment name")
    build: str = Field(default="", description="build id of this worker; empty: the version of the package")

    def model_post_init(self, _: object) -> None:
        """The database URL may come from a file, like every secret."""
        path = os.environ.get("REVSAGA_DATABASE_URL_FILE")
        if path and not self.database_url:
            object.__setattr__(self, "database_url", Path(path).read_text(encoding="utf-8").strip())

    def roles(self) -> dict[str, str]:
        """Vendor by role."""
        return {role: getattr(self, role) for role in ("crm", "cpq", "billing", "payments", "tax", "erp")}

    def leased(self, role: str) -> bool:
        """Whether calls of `role` take an account-wide lease first. Its steps are called in a leased manner."""
        return role == "erp"

    @property
    def lease_life(self) -> timedelta:
        """How long a lease lives without renewal."""
        return timedelta(seconds=self.lease_seconds)
