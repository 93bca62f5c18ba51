"""What every canonical model shares: immutability and a closed set of fields."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen value. Producers are strict (unknown fields are refused); readers of foreign data use adapters."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings", validate_default=True)
