"""Our words: frozen models and pure arithmetic. No I/O, clock, dice, vendor or Temporal in here."""
