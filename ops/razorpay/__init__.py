"""`gateway razorpay`: a local HTTPS front, so that applications written for Razorpay need no change at all."""
