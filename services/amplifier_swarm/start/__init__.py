"""`amplifier-swarm start`: one foreground run of the swarm, from its checks to its summary."""
