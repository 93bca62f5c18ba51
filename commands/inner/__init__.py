"""What the commands do, apart from arguments and printing: tests call it, and `--help` never loads it."""
