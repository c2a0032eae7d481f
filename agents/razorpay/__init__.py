"""The Razorpay double's own role: it captures and authorizes late where an order of the double asks for it."""
