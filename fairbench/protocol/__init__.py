"""What every run agrees on: schemas, tracks, conditions, splits and the record."""
