"""Work that goes on as long as its process: what goes wrong in one turn is said, and the work begins again."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

AGAIN_SECONDS = 30.0


async def lasting(name: str, run: Callable[[], Coroutine[Any, Any, None]], again: float = AGAIN_SECONDS) -> None:
    """Run until cancelled; what it raises goes to the loop's handler, and `again` seconds later it is run anew."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            await run()
        except Exception as error:
            message = f"{name} failed and goes on in {again:g} s; please report this"
            loop.call_exception_handler({"message": message, "exception": error})
        await asyncio.sleep(again)
