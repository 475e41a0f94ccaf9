"""The dashboard: reads the database, writes only control rows."""
