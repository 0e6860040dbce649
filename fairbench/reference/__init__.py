"""What the papers printed, as data."""
