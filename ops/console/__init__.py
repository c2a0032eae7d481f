"""What all commands share: printing, masking, names, progress, errors and exit codes."""
