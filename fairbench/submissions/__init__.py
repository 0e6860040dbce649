"""How methods and results come in from outside: templates, trials, bundles, and their verification."""
