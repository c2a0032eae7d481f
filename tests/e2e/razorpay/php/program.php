<?php
// A program of the official PHP client: an order, a payment without a browser, its capture and refund, and a refusal.
// php program.php FOLDER_OF_THE_CLIENT BASE_URL KEY SECRET

[, $folder, $url, $key, $secret] = $argv;
require "$folder/Razorpay.php";

use Razorpay\Api\Api;
use Razorpay\Api\Errors\BadRequestError;

$api = new Api($key, $secret);
$api->setBaseUrl($url);

$order = $api->order->create(['amount' => 5000, 'currency' => 'INR', 'receipt' => 'php', 'payment_capture' => 1,
    'notes' => ['shop order' => '₹ 117']]);
echo $order->status, "\n";
echo $order->notes['shop order'] === '₹ 117' ? 'noted' : 'not noted', "\n";
echo $api->order->all(['count' => 1])->entity, "\n";
$upi = ['amount' => 5000, 'currency' => 'INR', 'order_id' => $order->id, 'method' => 'upi', 'vpa' => 'success@razorpay'];
$id = $api->payment->createUpi($upi)->razorpay_payment_id;
do {
    usleep(50_000);
    $payment = $api->payment->fetch($id);
} while ($payment->status !== 'captured');
echo $payment->status, "\n";
echo $api->order->fetch($order->id)->payments()->count, "\n";
$refund = $payment->refund(['amount' => 1000, 'notes' => ['reason' => 'size']]);
echo $refund->status, "\n";
echo $api->refund->fetch($refund->id)->amount, "\n";
echo $api->customer->create(['name' => 'PHP', 'fail_existing' => '0'])->entity, "\n";
$signature = hash_hmac('sha256', "$order->id|$id", $secret);
$api->utility->verifyPaymentSignature(
    ['razorpay_order_id' => $order->id, 'razorpay_payment_id' => $id, 'razorpay_signature' => $signature]
);
try {
    $payment->capture(['amount' => 5000, 'currency' => 'INR']);
} catch (BadRequestError $refusal) {
    echo str_contains($refusal->getMessage(), 'already been captured') ? 'refused' : $refusal->getMessage(), "\n";
}
