"""What the build of the pages reports when npm fails."""

from __future__ import annotations

from ops.stack.pages_build import _failure

OUTPUT = """
> first@1.0.0 build
✓ built in 85ms
> second@1.0.0 build
Error: Size budget exceeded
page JavaScript: 20500 of 20480 bytes gzip
npm error Lifecycle script `build` failed with error:
npm error code 1
npm error path /srv/second
npm error workspace second@1.0.0
> third@1.0.0 build
""" + "dist/assets/index.js 1 kB\n" * 40  # fmt: skip


def test_the_failure_of_one_workspace_is_shown_although_others_are_built_after_it() -> None:
    shown = _failure(OUTPUT)
    assert "page JavaScript: 20500 of 20480 bytes gzip" in shown
    assert "workspace second@1.0.0" in shown
    assert "dist/assets" not in shown


def test_without_an_error_of_npm_itself_the_last_lines_are_shown() -> None:
    assert _failure("\n".join(map(str, range(100)))).splitlines() == [str(n) for n in range(85, 100)]
