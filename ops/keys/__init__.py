"""The gateway's own keys: make one, see what each still holds, seal everything with the newest."""
