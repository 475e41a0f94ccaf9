"""Notifications: which events are reported, to which targets, and how a message is delivered exactly once."""
