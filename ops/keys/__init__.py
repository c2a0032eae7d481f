"""The gateway's own keys: make one, list what still needs an older one, seal everything with the newest."""
