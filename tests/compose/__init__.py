"""`make compose-test`: docker-compose.yml built and run for real where no image registry can be reached."""
