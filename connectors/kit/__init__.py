"""What all adapters share: transport, credentials, errors, paging, redaction and the sandbox framework."""
