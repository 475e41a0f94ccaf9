"""`runner: slurm`: each session and command is a batch job of a Slurm cluster, on a folder that all its nodes share."""
