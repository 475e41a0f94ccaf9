"""Plans from other tools: recognized by content and place, read as tasks with an account of every line, ticked off."""
