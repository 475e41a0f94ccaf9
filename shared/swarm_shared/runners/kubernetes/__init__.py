"""`runner: kubernetes`: each session and command is a pod, on a volume that this machine and the nodes share."""
