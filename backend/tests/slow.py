"""An application whose one page takes two seconds, and which tells how many requests for it have begun."""

import asyncio

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

app = FastAPI()
begun = 0


@app.get("/")
async def slow() -> PlainTextResponse:
    """Take long."""
    global begun  # noqa: PLW0603 - one counter in one test process
    begun += 1
    await asyncio.sleep(2)
    return PlainTextResponse("finished")


@app.get("/started")
async def started() -> PlainTextResponse:
    """Tell how many slow requests have begun."""
    return PlainTextResponse(str(begun))
