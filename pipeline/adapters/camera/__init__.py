"""Cameras, files and folders of pictures as sources of segments; the only package that opens them."""

from pipeline.adapters.camera.address import redact
from pipeline.adapters.camera.options import SourceOptions
from pipeline.adapters.camera.pictures import PICTURE_SUFFIXES, read_picture
from pipeline.adapters.camera.sources import NamedSource, expand, open_source

__all__ = ["PICTURE_SUFFIXES", "NamedSource", "SourceOptions", "expand", "open_source", "read_picture", "redact"]
