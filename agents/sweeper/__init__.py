"""The sweeper: asks the bank about whatever has no outcome past its deadline, and prunes what is past its use."""
