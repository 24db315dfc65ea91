"""The smallest package with every kind of module."""

from ._build import BUILD
from .core.kernel import double
from .wire.messages import Message

__all__ = ["BUILD", "Message", "__version__", "double"]
__version__ = "0.1.0"
