"""Imports all ProcessModels on behalf of the Processes, which lie below them."""

from lava_ep.models import published  # noqa: F401
