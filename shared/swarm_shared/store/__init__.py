"""Families of verbs on the database, one module each; `TaskDatabase` is their thin front."""
