"""The web server's way in."""

from kener.app import create_app
from kener.settings import Settings

app = create_app(Settings.from_env())
