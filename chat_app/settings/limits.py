"""What one client may send, however it behaves."""

from pydantic import Field
from pydantic_settings import BaseSettings


class LimitSettings(BaseSettings):
    """What one client may send."""

    request_bytes: int = Field(
        4_000_000,
        ge=10_000,
        description="The largest HTTP request body taken; API clients send whole conversations.",
    )
    socket_events_per_second: float = Field(20, gt=0, description="Events a tab may send.")
    socket_event_burst: int = Field(60, ge=1, description="Events it may send at once.")
    socket_frame_bytes: int = Field(262_144, ge=4096, description="The largest frame taken.")
    sockets_per_session: int = Field(50, ge=1, description="Open tabs of one session.")
    sockets_per_address: int = Field(
        50,
        ge=1,
        description="Open anonymous tabs of one address; the server holds a whole frame of each "
        "in memory, up to 16 MB, before its size is checked.",
    )
