"""Families of database operations, one module each; `TaskDatabase` provides access to them."""
