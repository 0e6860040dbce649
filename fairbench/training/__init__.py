"""One training step and its seams: methods, objectives, the trainer and what it keeps."""
