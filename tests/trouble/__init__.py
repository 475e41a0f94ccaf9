"""A run through every fault of a provider: throttles, a plan window, a wrong key, an outage."""
