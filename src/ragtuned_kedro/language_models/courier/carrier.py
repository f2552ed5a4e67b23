"""What carries the SDK's requests: aiohttp, without the steps that httpx puts around each one.

Cookies, authentication flows, hooks and redirects cost httpx more time than the request itself;
an endpoint needs none of them, and a redirect must not carry the text elsewhere.
"""

import functools
import ssl
import urllib.request
from typing import Any

import aiohttp
import httpx


class Carrier(httpx.AsyncClient):
    """An `httpx.AsyncClient`, as the SDK wants one, whose `send` goes straight to aiohttp.

    Create it inside the event loop that uses it. `trust_env` lets proxies be taken from the
    environment, and nothing else: a password in `.netrc` is not the endpoint's key. Nothing limits
    the time of a request here: the caller does.
    """

    def __init__(self, *, concurrency: int, trust_env: bool) -> None:
        certificates = _read_certificates(trust_env)
        super().__init__(verify=certificates, trust_env=False, follow_redirects=False)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=concurrency, ssl=certificates),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            # httpx unpacks what the server packed, and knows no other way of packing for certain.
            auto_decompress=False,
            headers={"Accept-Encoding": "gzip, deflate"},
        )
        self._trust_env = trust_env

    def build_request(self, method: str, url: Any, **parts: Any) -> httpx.Request:
        """Make a request of what the SDK prepared; it leaves nothing for httpx to add."""
        headers, content = parts["headers"], parts.get("content")
        return httpx.Request(method, url, headers=headers, content=content)

    async def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """Send a request and read the whole response.

        Raises:
            aiohttp.ClientError: If there is no whole response.
        """
        async with self._session.request(
            request.method,
            str(request.url),
            headers=request.headers,
            data=request.content,
            allow_redirects=False,
            proxy=_find_proxy(request.url.scheme, request.url.host) if self._trust_env else None,
        ) as response:
            return httpx.Response(
                response.status,
                headers=response.raw_headers,
                content=await response.read(),
                request=request,
            )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()
        await super().aclose()


@functools.cache
def _find_proxy(scheme: str, host: str) -> str | None:
    proxies = urllib.request.getproxies()
    if urllib.request.proxy_bypass(host):
        return None
    return proxies.get(scheme) or proxies.get("all")


@functools.cache
def _read_certificates(trust_env: bool) -> ssl.SSLContext:
    # 20 ms, for every stage that asks, if they were read each time.
    return httpx.create_ssl_context(trust_env=trust_env)
