"""The command line, one module per noun. Parses arguments and prints; decides nothing."""
