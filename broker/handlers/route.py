"""How one version of one API is read, handled and answered."""

from dataclasses import dataclass

from ...protocol.codec import Decoder, Encoder
from .context import Handle


@dataclass(frozen=True, slots=True)
class Route:
    """One version of one API: how to read it, who handles it, how to write the answer."""

    api_key: int
    version: int
    has_flexible_request: bool
    has_flexible_response: bool
    decode: Decoder
    encode: Encoder
    handle: Handle
