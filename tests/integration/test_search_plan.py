"""A search reads its indexes also where no payer has given an e-mail address or a name."""

from __future__ import annotations

from bench.million import fill
from store.driver import connect
from store.payments import PaymentFilter, payment_conditions
from tests.support.stack import running_stack


async def test_a_text_that_nothing_has_is_found_missing_without_reading_the_merchants_payments() -> None:
    with running_stack(roles=()) as stack:
        connection = await connect(stack.database_url)
        await fill(connection, 60_000)
        await connection.execute("ANALYZE payments")
        await connection.execute("SET plan_cache_mode = force_custom_plan")
        conditions = payment_conditions("test_merchant", PaymentFilter(text="nothing-has-this"))
        conditions.after(None)
        rows = await connection.fetch(f"EXPLAIN {conditions.newest_first('payments', 50)}", *conditions.parameters)
        plan = "\n".join(row[0] for row in rows)
        await connection.close()
    assert "BitmapOr" in plan, plan
    assert "payments_merchant_created" not in plan, plan
