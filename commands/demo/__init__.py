"""The demonstration: a book of deals played against the sandboxes, with faults on."""
