"""The MCP server: each tool is a command of the command line, and can do nothing that this cannot do."""
