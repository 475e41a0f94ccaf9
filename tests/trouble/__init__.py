"""A run through everything a provider does to its users: throttles, a plan window, a wrong key, an outage."""
