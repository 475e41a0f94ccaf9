"""Finds secrets in what agents, checks and git print, and replaces them before anything is stored."""
