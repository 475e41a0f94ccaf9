"""What a run shows: a live display or plain lines, and its summary."""
