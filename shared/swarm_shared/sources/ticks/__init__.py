"""Items by their keys, and the marks that say that they are done, for each kind of file."""
