"""Kills everything at random and at named points, and counts what was lost; see docs/proof.md."""
