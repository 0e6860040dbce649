"""The methods that ship with fairbench, one file per paper."""
