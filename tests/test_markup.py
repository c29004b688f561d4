"""Texts of updates in few words."""

import pytest

from kener.markup import gist

CLOSING = """The alert has been resolved, Total duration: 4 minutes

#### Alert Details

| Setting | Value |
| --- | --- |
| **Monitor Name** | Shop |
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CLOSING, "The alert has been resolved, Total duration: 4 minutes"),
        ("We fixed **it**.\nFor good.\n\nMore tomorrow.", "We fixed it. For good."),
        ("# Fixed\n\nThe disk & its <b>controller</b>.", "The disk & its <b>controller</b>."),
        ("- one\n- two", "one two"),
        ("", ""),
    ],
)
def test_the_gist_of_an_update_is_its_first_paragraph_in_plain_words(text: str, words: str):
    assert gist(text) == words
