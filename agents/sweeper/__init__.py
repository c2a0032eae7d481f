"""The sweeper: queries the bank about attempts without an outcome after their deadline, and prunes expired data."""
