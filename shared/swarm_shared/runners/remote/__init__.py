"""What runners on other machines have in common: the files of a run on a shared disk, and programs that follow it."""
