"""The drawings, one idea a file; each gives a ``Drawing`` that goes into a page or into files."""
