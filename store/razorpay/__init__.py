"""What the Razorpay test double stores beside orders, payments and refunds, and its reads across both."""
