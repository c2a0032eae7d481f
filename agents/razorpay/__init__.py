"""The Razorpay double's own role: captures payments of orders that are to be captured by themselves."""
