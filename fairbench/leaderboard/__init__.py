"""Records on disk to a tidy table, intervals and ranks: pure functions once the files are read."""
