"""The container's health check: ends with 0 while the process answers, and with 1 otherwise."""

import http
import os
import sys
import urllib.request


def main() -> int:
    """Ask the process next door."""
    url = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/api/healthz"
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return 0 if answer.status == http.HTTPStatus.OK else 1
    except OSError as error:
        print(f"healthcheck: {url}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
