"""One local stack: installing, starting, supervising, watching and stopping its services and roles."""
