"""The server under the pages, which strangers may reach: nobody can stop it by holding connections open."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

ROOM = 400
"""Connections held open at once. A further one takes the place of the one that has said nothing for longest."""


class Server(TcpWSGIServer):  # type: ignore[misc]
    """Waitress stops listening when its connections are used up; this one lets go of an idle one instead."""

    def handle_accept(self) -> None:
        """Take a connection in, and let the idlest one go where there are too many."""
        held = [channel for channel in list(self.active_channels.values()) if not channel.will_close]
        idle = sorted((c for c in held if not c.requests), key=lambda channel: channel.last_activity)
        for channel in idle[: max(0, len(held) + 1 - ROOM)]:
            channel.will_close = True  # its own turn closes it: closing it here would free its number for another
        super().handle_accept()


def server_on(
    listening: socket.socket, application: Callable[..., Any], *, watched: dict[int, Any], **more: Any
) -> Server:
    """A server for a bound socket; ``watched`` is filled with all that it watches, ``more`` adjusts Waitress."""
    adjusted = Adjustments(
        sockets=[listening],
        connection_limit=100 * ROOM,  # never reached: we make room before
        asyncore_use_poll=True,  # select() knows no number beyond 1,023
        **more,
    )
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(adjusted.threads)
    where = (listening.family, listening.type, listening.proto, listening.getsockname())
    return Server(
        application, watched, True, listening, dispatcher=dispatcher, adj=adjusted, bind_socket=False, sockinfo=where
    )
