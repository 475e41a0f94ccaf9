"""`amplifier-swarm start`: one foreground run of the suite, from its checks to its summary."""
