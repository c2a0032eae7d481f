// A program of the official Go client: an order, a payment without a browser, its capture and refund, and a refusal.
// program KEY SECRET [BASE_URL]
package main

import (
	"fmt"
	"os"
	"time"

	razorpay "github.com/razorpay/razorpay-go"
)

func must(body map[string]interface{}, err error) map[string]interface{} {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return body
}

func main() {
	client := razorpay.NewClient(os.Args[1], os.Args[2])
	if len(os.Args) > 3 {
		razorpay.Request.BaseURL = os.Args[3]
	}
	order := must(client.Order.Create(map[string]interface{}{
		"amount": 5000, "currency": "INR", "receipt": "go", "partial_payment": false,
		"notes": map[string]interface{}{"a": "b"},
	}, nil))
	fmt.Println(order["status"])
	fmt.Println(must(client.Order.All(map[string]interface{}{"count": 1}, nil))["entity"])
	made := must(client.Payment.CreateUpi(map[string]interface{}{
		"amount": 5000, "currency": "INR", "order_id": order["id"], "method": "upi", "vpa": "success@razorpay",
	}, nil))
	id := made["razorpay_payment_id"].(string)
	payment := must(client.Payment.Fetch(id, nil, nil))
	for payment["status"] != "captured" {
		time.Sleep(50 * time.Millisecond)
		payment = must(client.Payment.Fetch(id, nil, nil))
	}
	fmt.Println(payment["status"])
	fmt.Println(must(client.Payment.Refund(id, 1000, nil, nil))["status"])
	if _, err := client.Payment.Capture(id, 5000, map[string]interface{}{"currency": "INR"}, nil); err != nil {
		fmt.Println("refused")
	}
}
