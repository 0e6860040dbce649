"""What is timed or simulated; run with python -m benchmarks.NAME."""
