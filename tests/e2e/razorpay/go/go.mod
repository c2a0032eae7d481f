module razorpay.test/program

go 1.19

require github.com/razorpay/razorpay-go v1.3.3
