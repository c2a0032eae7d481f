"""The bank: a port and the simulated bank behind it. Nothing else in the gateway knows which bank it is."""
