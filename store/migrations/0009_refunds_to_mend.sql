-- Money of a success that came too late and whose automatic refund the bank refused: few rows, asked for by operators.
CREATE INDEX refunds_automatic_failed ON refunds (created_at) WHERE automatic AND status = 'FAILED';
