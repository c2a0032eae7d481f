"""`gateway journey`: everything that happened to one order, gathered from the database and the log."""
