"""What commands that read plans of other tools share."""
