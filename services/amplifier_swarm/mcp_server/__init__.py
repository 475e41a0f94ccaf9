"""The MCP server: each tool is a command of the command line, and can do nothing that the command line cannot do."""
