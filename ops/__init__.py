"""Operations: the `gateway` command, the local stack and its runner, and the checks that look at a running system."""
