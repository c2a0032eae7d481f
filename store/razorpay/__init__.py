"""What the Razorpay test double keeps beside orders, payments and refunds, and its reads across both."""
