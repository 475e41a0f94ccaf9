"""What the suite does with git: worktrees, work in progress, diffs, merging and landing; no database, no services."""
