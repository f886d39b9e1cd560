"""The HTTP API."""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from app.database import make_engine
from app.models import Item
from app.settings import Settings

log = logging.getLogger("app")


class NewItem(BaseModel):
    """What a client sends."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class ItemOut(BaseModel):
    """What a client gets."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    created_at: datetime


def create_app(settings: Settings) -> FastAPI:
    """Make the application. It connects to nothing before the first request that needs the database."""
    app = FastAPI(title="Items", docs_url="/api/docs", openapi_url="/api/openapi.json")
    sessions = sessionmaker(make_engine(settings))

    def session() -> Iterator[Session]:
        with sessions() as opened:
            yield opened

    database = Annotated[Session, Depends(session)]

    @app.get("/api/healthz")
    def healthz() -> dict[str, str]:
        """Tell that the process is alive, whatever the database does."""
        return {"status": "alive"}

    @app.get("/api/readyz")
    def readyz(db: database) -> dict[str, str]:
        """Tell whether the database answers: 200, or 503."""
        try:
            db.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            log.warning("the database does not answer: %s", type(error).__name__)
            raise HTTPException(503, "the database does not answer") from error
        return {"status": "ready"}

    @app.get("/api/revision")
    def revision() -> dict[str, str]:
        """Tell which revision runs."""
        return {"revision": settings.revision}

    @app.get("/api/items")
    def items(db: database, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> list[ItemOut]:
        """List items, the newest first."""
        found = db.scalars(select(Item).order_by(Item.id.desc()).limit(limit))
        return [ItemOut.model_validate(item) for item in found]

    @app.post("/api/items", status_code=201)
    def add(item: NewItem, db: database) -> ItemOut:
        """Add an item."""
        added = Item(name=item.name)
        db.add(added)
        db.commit()
        return ItemOut.model_validate(added)

    return app
