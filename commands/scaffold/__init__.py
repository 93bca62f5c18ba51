"""What a new adapter is made of: templates that work, one set for each role. `writing.py` fills them in."""
