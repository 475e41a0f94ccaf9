"""What a list of tasks will take, and its drawing, before anything runs."""
