"""Calls of tools by the client of the package mcp."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from mcp import Client

TOOLS = ["analyse_recording", "explain_utterance", "list_bundles", "list_recordings"]


def use(server: Any, work: Callable[[Client], Awaitable[None]]) -> None:
    """Run `work` with a client of a server, an address or a transport."""

    async def connect() -> None:
        async with Client(server) as client:
            await work(client)

    asyncio.run(connect())


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    """Structured content of a successful call."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def fail(client: Client, tool: str, **arguments: Any) -> str:
    """Message of a failed call."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return str(result.content[0].text)  # type: ignore[union-attr]
