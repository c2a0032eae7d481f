"""`python -m agents.jobs`: one jobs worker, until SIGTERM."""

from __future__ import annotations

from agents.jobs.counting import Jobs
from agents.role import Context, run_role


async def _body(context: Context) -> None:
    await Jobs(context).run()


if __name__ == "__main__":
    run_role("jobs", _body)
