"""``python -m learning_instrument`` is the command ``learning-instrument``."""

from .cli import main

if __name__ == "__main__":
    main()
