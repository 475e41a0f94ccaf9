"""Where a session or a command runs: one module per runner, all with the interface in `runner`."""
