"""The JSON gateway, over HTTP/1.1 by aiohttp: every RPC is a POST of JSON. Beside it are the pages for probes.

Rules:

- A request is let in by its Host and Origin (``access``), and a POST only with JSON's content type. A browser sends
  that type from another origin only after it has asked, so a page can do nothing that the server did not allow. A POST
  without a content type is let in if no browser sends it.
- Whatever a handler raises becomes an answer. What is not a refusal is a fault of ours, and goes to the log.
- A client that goes away ends its streams, and the wait for its answer. What it has proposed may still happen.
- A body is bounded, and so is the time that it may take to arrive.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

from aiohttp import HttpVersion11, web
from google.protobuf.message import Message

from . import jsonmap
from .access import Access
from .counting import Handled
from .gateway_stream import UNKNOWN, Exchange, Waiting
from .refusals import CANCELLED, Refused
from .replies import JSON, TEXT, Page, Reply, refusal
from .routes import HTTP_STATUS, OLD_PREFIX, PREFIX, ROUTES
from .service import Context, Method, Streaming, Unary, by_path
from .telling import address_text, common_name

UNIMPLEMENTED = 12
NOT_FOUND = 5
BODY_S_MAX = 60.0
"""How long the body of a request may take to arrive."""
FIRST_REQUEST_S_MAX = 60.0
"""How long the head of a connection's first request may take to arrive."""
IDLE_S_MAX = 3600.0
"""How long a connection may wait for its next request."""
_LOG = logging.getLogger("raftcy.etcd")


class Gateway:
    """Answers HTTP/1.1 connections. ``protocol`` makes what serves one of them.

    ``methods`` are the RPCs, ``pages`` the answers to GET by path. ``request_bytes_max`` bounds a message; its JSON may
    be longer by what base64 adds. Without ``serves_api``, only the pages are there.
    """

    def __init__(
        self,
        methods: Iterable[Method],
        pages: Mapping[str, Page],
        access: Access,
        *,
        request_bytes_max: int = 3 << 19,
        serves_api: bool = True,
    ) -> None:
        table = by_path(methods)
        self._methods = {route: table.get(path) for route, path in ROUTES.items()} if serves_api else {}
        self._pages = pages
        self._access = access
        self._body_bytes_max = 2 * request_bytes_max + (1 << 19)
        self._waiting = Waiting()
        self.handled = Handled()
        """How calls have ended."""
        self._silent: dict[Any, asyncio.TimerHandle] = {}
        self._server = web.Server(
            self._answer,
            request_factory=self._make_request,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=IDLE_S_MAX,
            lingering_time=1.0,
            logger=_LOG,
        )

    def protocol(self) -> asyncio.Protocol:
        """Return what serves one connection, for ``Transport.set_protocol``."""
        made = self._server()
        loop = asyncio.get_running_loop()
        self._silent[made] = loop.call_later(FIRST_REQUEST_S_MAX, self._was_silent, made)
        return made

    async def close(self, timeout_s: float = 1.0) -> None:
        """End all connections. Those that are answering have ``timeout_s`` to finish; streams end at once after it."""
        for timer in self._silent.values():
            timer.cancel()
        self._silent.clear()
        self._server.pre_shutdown()
        await self._server.shutdown(timeout_s)

    def _was_silent(self, connection: Any) -> None:
        self._silent.pop(connection, None)
        connection.force_close()
        if connection.transport is not None:
            connection.transport.close()

    def _make_request(self, head: Any, body: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(head, body, protocol, writer, task, loop, client_max_size=self._body_bytes_max)

    # -- one request -----------------------------------------------------------------------------------------------

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._silent and (timer := self._silent.pop(request.protocol, None)):
            timer.cancel()
        headers = request.headers
        origin = headers.get("Origin")
        objection = self._access.objection(headers.get("Host", ""), origin, is_secure=request.secure)
        if objection is not None:
            return _respond(Reply(objection.text.encode(), objection.status, TEXT), {})
        shown = self._access.headers(origin)
        if request.method == "OPTIONS":
            return _respond(Reply(b"", 200, TEXT), shown)
        path = request.path
        if path.startswith(OLD_PREFIX):
            path = PREFIX + path[len(OLD_PREFIX) :]
        if not path.startswith(PREFIX):
            return _respond(await self._page(request, path), shown)
        route = path[len(PREFIX) :]
        if route not in self._methods:
            return _respond(refusal(NOT_FOUND, "Not Found"), shown)
        if request.method != "POST":
            return _respond(refusal(UNIMPLEMENTED, "Method Not Allowed"), shown)
        if objection_to_type := _objection_to_type(request):
            return _respond(objection_to_type, shown)
        method = self._methods[route]
        if isinstance(method, Unary):
            return _respond(await self._unary(method, request), shown)
        if method is None:
            service = ROUTES[route][1:].partition("/")[0]
            return _respond(refusal(UNIMPLEMENTED, f"unknown service {service}"), shown)
        return await self._streaming(method, request, shown)

    async def _page(self, request: web.BaseRequest, path: str) -> Reply:
        page = self._pages.get(path)
        if page is None:
            return Reply(b"404 page not found\n", 404, TEXT)
        if request.method not in ("GET", "HEAD"):
            return Reply(b"Method Not Allowed\n", 405, TEXT)
        query: dict[str, list[str]] = {}
        for name, value in request.query.items():
            query.setdefault(name, []).append(value)
        try:
            found = page(query)
            return found if isinstance(found, Reply) else await found
        except Exception as error:
            _LOG.exception("%s failed", path)
            return Reply(f"{error}\n".encode(), 500, TEXT)

    async def _unary(self, method: Unary, request: web.BaseRequest) -> Reply:
        try:
            message = jsonmap.decode(method.request, await self._body(request))
            answer = method.call(message, RequestContext(request))
            if not isinstance(answer, Message | bytes | list):
                answer = await answer
            if not isinstance(answer, Message):
                answer = method.response.FromString(answer if isinstance(answer, bytes) else b"".join(answer))
            reply = Reply(jsonmap.encode(answer))
        except Refused as error:
            self.handled.ended(method.path, error.code)
            return refusal(error.code, error.text)
        except asyncio.CancelledError:
            self.handled.ended(method.path, CANCELLED)
            raise
        except Exception as error:
            _LOG.exception("%s failed", method.path)
            self.handled.ended(method.path, UNKNOWN)
            return refusal(UNKNOWN, str(error))
        self.handled.ended(method.path, 0)
        return reply

    async def _body(self, request: web.BaseRequest) -> bytes:
        try:
            if request.content.is_eof():
                return await request.read()
            async with asyncio.timeout(BODY_S_MAX):
                return await request.read()
        except web.HTTPRequestEntityTooLarge:
            request.protocol.close()
            raise jsonmap.malformed("etcdserver: request is too large") from None
        except TimeoutError:
            request.protocol.close()
            raise jsonmap.malformed(f"the body did not arrive within {BODY_S_MAX:.0f} s") from None

    async def _streaming(
        self, method: Streaming, request: web.BaseRequest, shown: dict[str, str]
    ) -> web.StreamResponse:
        response: web.StreamResponse | None = None

        async def begin(code: int) -> Callable[[bytes], Awaitable[None]]:
            nonlocal response
            response = web.StreamResponse(status=HTTP_STATUS.get(code, 500), headers={**shown, "Content-Type": JSON})
            if request.version >= HttpVersion11:
                response.enable_chunked_encoding()
            await response.prepare(request)
            return response.write

        exchange = Exchange(
            method, RequestContext(request), _pieces(request), begin, self._body_bytes_max, self._waiting
        )
        code = CANCELLED
        try:
            await exchange.run()
            code = exchange.code
        except Refused as error:
            code = error.code
            return _respond(refusal(error.code, error.text), shown)
        except ConnectionError:
            # The client is gone.
            pass
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        finally:
            self.handled.ended(method.path, code)
        if response is None:
            return web.Response()
        return response


async def _pieces(request: web.BaseRequest) -> AsyncIterator[bytes]:
    async for piece in request.content.iter_any():
        yield piece


def _respond(reply: Reply, shown: dict[str, str]) -> web.Response:
    headers = {**shown, "Content-Type": reply.content_type} if shown else {"Content-Type": reply.content_type}
    return web.Response(body=reply.body, status=reply.status, headers=headers)


def _objection_to_type(request: web.BaseRequest) -> Reply | None:
    """Return the refusal of a POST that a page in a browser could send without asking, or that is compressed."""
    given = request.headers.get("Content-Type")
    if given is None:
        # etcd3gw sends none. A page can do that too, but its browser says where it comes from.
        is_good = "Origin" not in request.headers and "Sec-Fetch-Site" not in request.headers
    else:
        is_good = given == JSON or given.partition(";")[0].strip().lower() == JSON
    if not is_good:
        text = f"the content type must be {JSON}, not {given!r}: add the header Content-Type: {JSON}"
        return refusal(jsonmap.INVALID_ARGUMENT, text)._replace(status=415)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        return refusal(jsonmap.INVALID_ARGUMENT, "compressed requests are not supported")._replace(status=415)
    return None


_FORWARDED = "grpc-metadata-"


class RequestContext(Context):
    """What a handler may ask about a request, which is worked out when it asks."""

    __slots__ = ("_request",)

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self._metadata = None
        self.deadline_s = None

    @property
    def metadata(self) -> Mapping[str, str]:
        """The headers of the request, and metadata of gRPC that was sent through the gateway."""
        if self._metadata is None:
            headers: Mapping[str, str] = self._request.headers
            if any(name.lower().startswith(_FORWARDED) for name in headers):
                headers = {name.lower().removeprefix(_FORWARDED): value for name, value in headers.items()}
            self._metadata = headers
        return self._metadata

    @property
    def peer(self) -> str:  # type: ignore[override]
        """The client's address."""
        transport = self._request.transport
        return "" if transport is None else address_text(transport.get_extra_info("peername"))

    @property
    def common_name(self) -> str:  # type: ignore[override]
        """The CN of the client's certificate."""
        transport = self._request.transport
        if transport is None or not self._request.secure:
            return ""
        return common_name(transport.get_extra_info("peercert"))
