"""``python -m fairbench`` is the command ``fairbench``."""

from fairbench.cli.main import main

if __name__ == "__main__":
    main()
