"""The gateway's dependencies: the bill of materials, and whether their licences are allowed."""
