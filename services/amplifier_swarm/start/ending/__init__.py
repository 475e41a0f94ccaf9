"""How a run ends: signals, giving up, a lost database, and the proof that no process is left."""
