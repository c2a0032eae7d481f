"""`python -m api.write_openapi`: write docs/openapi.json."""

from __future__ import annotations

from api.app import create_app
from api.openapi.document import DOCUMENT, rendered
from runtime.settings import Settings


def main() -> None:
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(rendered(create_app(Settings(test_mode=True))), encoding="utf-8")


if __name__ == "__main__":
    main()
