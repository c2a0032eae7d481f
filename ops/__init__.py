"""Operations: the `gateway` command, the local stack and its runner, and the checks of a running system."""
