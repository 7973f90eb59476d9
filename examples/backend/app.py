"""The application of the specification: FastAPI under uvicorn, one JSON line per event on stdout.

    /usr/bin/python3 -m uvicorn --app-dir examples/backend app:app --port 8000

Every request gets one structured line (`timestamp level logger message request_id path status duration_ms`).
uvicorn adds its own plain-text lines, and `/crash` raises, so that a real traceback reaches stderr: a router
has to cope with all three.
"""

import datetime
import json
import logging
import sys
import time
import uuid

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse


class JsonLines(logging.Formatter):
    """One JSON object per record; what was passed as `extra={"fields": …}` is merged in."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc)
        line = {
            "timestamp": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(JsonLines())
log = logging.getLogger("backend")
log.addHandler(handler)
log.setLevel(logging.DEBUG)
log.propagate = False

app = FastAPI(title="backend")

STOCK = {1: "りんご", 2: "みかん", 3: "ぶどう"}


@app.middleware("http")
async def log_request(request: Request, call_next):
    request_id = request.headers.get("x-request-id", str(uuid.uuid4()))
    started = time.perf_counter()
    status = 500
    try:
        response = await call_next(request)
        status = response.status_code
        response.headers["x-request-id"] = request_id
        return response
    finally:
        level = logging.ERROR if status >= 500 else logging.WARNING if status >= 400 else logging.INFO
        log.log(level, "%s %s", request.method, request.url.path, extra={"fields": {
            "request_id": request_id,
            "path": request.url.path,
            "status": status,
            "duration_ms": round((time.perf_counter() - started) * 1000, 3),
        }})


@app.get("/health")
def health():
    return {"status": "ok"}


@app.get("/items/{item_id}")
def item(item_id: int):
    log.debug("looking up item %d", item_id, extra={"fields": {"item_id": item_id}})
    if item_id not in STOCK:
        raise HTTPException(404, "no such item")
    return {"item_id": item_id, "name": STOCK[item_id]}


@app.post("/orders")
async def order(request: Request):
    body = await request.json()
    if body.get("quantity", 1) > 100:
        log.critical("stock exhausted", extra={"fields": {"order": body}})
        return JSONResponse({"error": "out of stock"}, status_code=503)
    log.info("order accepted", extra={"fields": {"order": body}})
    return {"order_id": str(uuid.uuid4())}


@app.get("/payment")
def payment():
    """Fails in a handled way: a structured ERROR with the traceback inside the JSON line."""
    try:
        raise ConnectionError("payment gateway did not answer within 2 s")
    except ConnectionError:
        log.exception("payment failed", extra={"fields": {"gateway": "example"}})
    return JSONResponse({"error": "payment failed"}, status_code=502)


@app.get("/crash")
def crash():
    """Raises: uvicorn writes `ERROR:    Exception in ASGI application` and a traceback, in plain lines."""
    raise RuntimeError("this endpoint always fails")
