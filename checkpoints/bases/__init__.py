"""Base and teacher weights of the CPU tracks, as package data."""
