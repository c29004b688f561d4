"""Monitors that are told their status."""

from pydantic import Field

from kener.domain.specs.base import Spec


class NoneSpec(Spec):
    """Set by hand or by the API."""

    overrideWithLastKnownStatus: bool = Field(
        False,
        title="Repeat what was written last",
        description="At every interval the newest status is written again, so that it does not fade after three intervals.",
    )
