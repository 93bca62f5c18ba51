"""AvaTax REST v2: the tax engine. Addresses, nexus and estimates; it records nothing."""
