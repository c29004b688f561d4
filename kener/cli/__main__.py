"""python -m kener.cli"""

from kener.cli import main

main()
