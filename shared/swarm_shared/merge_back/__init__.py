"""Merging landed work into the user's branches: where it is, what it would bring, and doing it."""
