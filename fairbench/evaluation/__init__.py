"""Evaluation: the battery of attacks, its resumable runner, and the record it writes."""
