"""Task files: YAML that users write, checked as a whole, and exports that can be imported again.

Import from its modules: workers need `definition` and `globs`, and would otherwise load the parser at every start.
"""
