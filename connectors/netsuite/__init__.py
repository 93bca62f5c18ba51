"""Oracle NetSuite over SuiteTalk REST, in the ERP role."""
