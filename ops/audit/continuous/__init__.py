"""The role `auditor`: `gateway verify`, all the time, as part of the running stack. It finds, and repairs nothing."""
